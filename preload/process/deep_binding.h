// Libraries that are opened with RTLD_DEEPBIND: their references are bound to the libraries that
// they need before all others, past our wrappers. So they stay, but those that are bound to the
// very functions that we wrap are led to our wrappers. Everything else (malloc, for one) is bound
// as the program wants it.
//
// This happens at the next call of the loader by the thread that has opened them, since a wrapper
// of dlopen cannot do anything behind the call (wrap_loader.cpp): usually that is the dlsym by
// which the program finds the way into the library.
//
// Safety class: not async-signal-safe, as the functions it is called from. No allocation.
#pragma once

namespace telinject::program {

// Before dlopen with RTLD_DEEPBIND.
void note_deep_binding();

// Wraps what was opened so since. One load if nothing was.
void wrap_deep_bindings();

}  // namespace telinject::program
