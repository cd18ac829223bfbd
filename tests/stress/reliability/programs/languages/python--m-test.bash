# python -m test
# needs: /usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1
/usr/bin/python3 -c 'import test.test_json' || exit 9
/usr/bin/python3 -m test -q -j2 test_struct test_heapq test_pipes test_wait3 test_epoll test_fork1 test_popen test_mmap >log 2>&1
echo $?
grep -E 'failed|Result|OK' log | sort
