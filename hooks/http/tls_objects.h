// From a TLS library's object to its connection: a bounded hash table without locks. Lookup, add
// and forget of one object come from the thread that works with it; of different ones from any.
#pragma once

#include "hooks/http/connection.h"

namespace telinject::program {

Connection* find_tls_object(const void* object);
// False if there is no room (near its place) or no memory.
bool add_tls_object(const void* object, Connection* connection);
void forget_tls_object(const void* object);

}  // namespace telinject::program
