// Finding the real functions behind the wrappers.
//
// Not by dlsym: it takes the loader's lock (a wrapper that is first called under it would
// deadlock), its symbol version moved in glibc 2.34, and RTLD_NEXT does not see libraries that were
// loaded RTLD_LOCAL. The loaded objects' own symbol tables are read instead, in load order behind
// this library, by way of dl_iterate_phdr, whose lock is held only while the list of objects
// changes.
#pragma once

#include <link.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace telinject {

// Everything that is looked up. Functions: the first definition behind us. Variables: the first at
// all, for the main program may hold a copy.
enum RealSymbol : uint32_t {
  kReal_longjmp,
  kReal__longjmp,
  kReal_siglongjmp,
  kReal___longjmp_chk,
  kReal__Unwind_SetIP,
  kReal__Unwind_GetCFA,
  kReal__Unwind_GetGR,
  kReal__Unwind_RaiseException,
  kReal__Unwind_Resume_or_Rethrow,
  kReal___cxa_begin_catch,
  kReal_pthread_create,
  kReal_thrd_create,
  kReal_pthread_exit,
  kReal_thrd_exit,
  kReal_pthread_setname_np,
  kReal_pthread_attr_getstacksize,
  kReal_pthread_mutexattr_init,
  kReal_pthread_mutexattr_setrobust,
  kReal_pthread_mutexattr_setpshared,
  kReal_pthread_mutex_init,
  kReal_pthread_mutex_lock,
  kReal_makecontext,
  kReal_swapcontext,
  kReal_setcontext,
  kReal_fork,
  kReal__Fork,
  kReal_vfork,
  kReal_execve,
  kReal_execvpe,
  kReal_fexecve,
  kReal_execveat,
  kReal_posix_spawn,
  kReal_posix_spawnp,
  kReal_system,
  kReal_popen,
  kReal_wait,
  kReal_waitpid,
  kReal_wait3,
  kReal_wait4,
  kReal_waitid,
  kReal_on_exit,
  kReal__exit,
  kReal_quick_exit,
  kReal_dlopen,
  kReal_dlmopen,
  kReal_dlclose,
  kReal_prctl,
  kReal_syscall,
  kReal_seccomp,
  kReal_socket,
  kReal_socketpair,
  kReal_connect,
  kReal_accept,
  kReal_accept4,
  kReal_shutdown,
  kReal_close,
  kReal_close_range,
  kReal_closefrom,
  kReal_dup,
  kReal_dup2,
  kReal_dup3,
  kReal_fcntl,
  kReal_fcntl64,
  kReal_read,
  kReal___read_chk,
  kReal_readv,
  kReal_recv,
  kReal___recv_chk,
  kReal_recvfrom,
  kReal___recvfrom_chk,
  kReal_recvmsg,
  kReal_recvmmsg,
  kReal_write,
  kReal_writev,
  kReal_send,
  kReal_sendto,
  kReal_sendmsg,
  kReal_sendmmsg,
  kReal_sendfile,
  kReal_sendfile64,
  kReal_splice,
  kReal_clock_gettime,
  kReal_sigaction,
  kReal___sigaction,
  kReal_signal,
  kReal_bsd_signal,
  kReal_ssignal,
  kReal_sysv_signal,
  kReal___sysv_signal,
  kReal_sigset,
  kReal___errno_location,
  kReal_environ,
  kReal___libc_stack_end,
  kReal___abort_msg,
  kReal___libc_single_threaded,
  kRealCount,
};

// libc's dl_iterate_phdr, whatever the program has put before it. After resolve_all() only.
int iterate_objects(int (*step)(dl_phdr_info*, size_t, void*), void* data);

// Looks all of them up. Called once, in the constructor or at the first hook.
void resolve_all();

extern std::atomic<void*> g_real[kRealCount];
void* find_real_address(RealSymbol symbol);

// The address, looked up now if it was not there before (a library loaded since); null if no loaded
// object has it.
inline void* real_address(RealSymbol symbol) {
  void* address = g_real[symbol].load(std::memory_order_acquire);
  return address != nullptr ? address : find_real_address(symbol);
}

template <typename Function>
Function real(RealSymbol symbol) {
  return reinterpret_cast<Function>(real_address(symbol));
}

// The exception runtime of libc++abi or libsupc++, by the class of an exception object
// ("GNUCC++\0" or "CLNGC++\0", as an integer): both may be loaded.
void* real_begin_catch(uint64_t exception_class);

// The path of this library as the loader has it, made absolute; "" if it cannot be told.
const char* library_path();

}  // namespace telinject
