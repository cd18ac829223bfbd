// Tests that need descriptors or limits of their own run in a forked child.
#pragma once

#include <catch2/catch.hpp>

#include <sys/wait.h>
#include <unistd.h>

namespace telinject::test {

// What `work` returns, in a child process; 0 is good.
template <typename Work>
int in_child(Work&& work) {
  pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) _exit(work());
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace telinject::test
