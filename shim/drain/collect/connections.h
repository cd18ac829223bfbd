// Who wants to join: the listeners, and the connections on which nothing has been said yet.
//
// Anybody on the machine may connect to the abstract address. So a connection counts for nothing
// until a Hello with the session's secret came over it. Those that say nothing are few for each
// user, and are dropped after a moment. What a stranger sent along is never taken out of the
// connection: a look at the message shows whether he knows the secret.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "shim/channel/hello.h"
#include "shim/drain/collect/closer.h"
#include "shim/drain/collect/peer.h"

namespace telinject::drain {

// A process that knows the secret. The descriptors are the receiver's to close, and may be anything
// but what they should be.
struct Newcomer {
  Peer peer;
  std::vector<uint32_t> groups;
  int memfd = -1;
  int pidfd = -1;
  bool pidfd_is_of_peer = false;    // the kernel says so
  bool out_of_descriptors = false;  // there is no room for it; the memfd is there, if it can be had
  Hello hello = {};
};

class Connections {
 public:
  struct Hooks {
    std::function<void(Newcomer)> welcome;
    // Asks for descriptors to be freed. False if there are none.
    std::function<bool()> make_room;
    // Whether descriptors are short now and some will be free in a moment: newcomers wait for that.
    std::function<bool()> room_is_coming = nullptr;
    // Root, or our own user, asks for a dump (hello.h). The connection is for the answer, and the
    // receiver's to close.
    std::function<void(int fd)> asked = nullptr;
  };
  // Listeners: the first ones are heard first; -1 for none. They are ours from now on.
  Connections(const Session& session, const std::vector<int>& listeners, Closer* closer,
              Hooks hooks);
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // Readable if there is something to hear. -1: no listener, nothing to wait for.
  int descriptor() const { return epoll_; }
  // Hears newcomers. With `all`, every one that has connected by now is heard if it has spoken.
  // False if some may still wait to be taken, for want of descriptors.
  bool hear(bool all);
  // Drops connections on which nothing was said for too long. To be called often: it also gets
  // spare descriptors back.
  void drop_stale();
  // Gives the spare descriptors up, for what must be open.
  void close_spares();

 private:
  struct Silent {
    Peer peer;
    uint64_t since_ns = 0;
  };
  bool accept_from(int listener, size_t most);
  bool may_accept();
  void open_spares();
  bool has_spares();
  bool accept_without_room(int listener);
  void hear_earlier(int pid);
  void begin(int fd);
  void make_way(uint32_t uid);
  void listen_to(int fd);
  void welcome(int fd, const Peer& peer, const Hello& hello);
  void take_descriptors(int fd, Newcomer* newcomer);
  void refuse(const Peer& peer);
  void drop(int fd);
  void let_go(int fd);

  const Session session_;
  std::vector<int> listeners_;
  Closer* closer_;
  Hooks hooks_;
  int epoll_ = -1;
  // Given up for a moment where no other is free: for a connection, for what is sent with it.
  int spare_ = -1, sent_spare_ = -1;
  bool has_no_spares_ = false;  // there is no room for them
  std::map<int, Silent> silent_;
  std::map<uint32_t, std::set<std::pair<uint64_t, int>>> of_user_;  // by time; the descriptors
  std::set<uint32_t> refused_users_;
};

}  // namespace telinject::drain
