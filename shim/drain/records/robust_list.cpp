#include "shim/drain/records/robust_list.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace telinject::drain {

RobustList::RobustList(long word_distance) {
  head_.list.next = &head_.list;
  head_.futex_offset = word_distance;
  head_.list_op_pending = nullptr;
  syscall(SYS_set_robust_list, &head_, sizeof head_);
}

void RobustList::add(RobustLink* link) {
  link->next = head_.list.next;
  head_.list.next = link;
}

void RobustList::remove(RobustLink* link) {
  for (RobustLink* at = &head_.list; at->next != &head_.list; at = at->next) {
    if (at->next == link) {
      at->next = link->next;
      return;
    }
  }
}

}  // namespace telinject::drain
