/* leveldb_work FOLDER KEYS: writes, reads, iterates, compacts and destroys a database of LevelDB.
 */
#include <leveldb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(const char* what, char* error) {
  if (error == NULL) return;
  printf("%s: %s\n", what, error);
  exit(1);
}

static void write_keys(leveldb_t* db, int keys) {
  leveldb_writeoptions_t* options = leveldb_writeoptions_create();
  for (int i = 0; i < keys; i++) {
    char key[32], value[64], *error = NULL;
    int length = snprintf(key, sizeof key, "key%06d", i * 7919 % keys);
    int size = snprintf(value, sizeof value, "value %d of this key", i);
    leveldb_put(db, options, key, (size_t)length, value, (size_t)size, &error);
    check("put", error);
  }
  leveldb_writebatch_t* batch = leveldb_writebatch_create();
  char* error = NULL;
  for (int i = 0; i < keys; i += 3) {
    char key[32];
    leveldb_writebatch_delete(batch, key, (size_t)snprintf(key, sizeof key, "key%06d", i));
  }
  leveldb_write(db, options, batch, &error);
  check("write", error);
  leveldb_writebatch_destroy(batch);
  leveldb_writeoptions_destroy(options);
}

static int count_keys(leveldb_t* db, size_t* bytes) {
  leveldb_readoptions_t* options = leveldb_readoptions_create();
  leveldb_iterator_t* at = leveldb_create_iterator(db, options);
  int found = 0;
  for (leveldb_iter_seek_to_first(at); leveldb_iter_valid(at); leveldb_iter_next(at)) {
    size_t length;
    leveldb_iter_value(at, &length);
    *bytes += length;
    found++;
  }
  leveldb_iter_destroy(at);
  leveldb_readoptions_destroy(options);
  return found;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  char* error = NULL;
  leveldb_options_t* options = leveldb_options_create();
  leveldb_options_set_create_if_missing(options, 1);
  leveldb_options_set_write_buffer_size(options, 1 << 16);
  for (int round = 0; round < 2; round++) {
    leveldb_t* db = leveldb_open(options, argv[1], &error);
    check("open", error);
    size_t bytes = 0;
    write_keys(db, atoi(argv[2]));
    leveldb_compact_range(db, NULL, 0, NULL, 0);
    int found = count_keys(db, &bytes);
    printf("%d keys, %zu bytes\n", found, bytes);
    leveldb_close(db);
  }
  leveldb_destroy_db(options, argv[1], &error);
  check("destroy", error);
  leveldb_options_destroy(options);
  return 0;
}
