// gRPC's names, statuses and messages.
#include <catch2/catch.hpp>

#include "shim/http/grpc.h"

namespace telinject::test::grpc_test {

TEST_CASE("what content is gRPC's") {
  for (const char* type : {"application/grpc", "application/grpc+proto", "Application/gRPC;v=1"}) {
    CHECK(is_grpc_content(type));
  }
  for (const char* type : {"", "application/grp", "application/grpc-web", "application/grpcx",
                           "text/application/grpc"}) {
    CHECK_FALSE(is_grpc_content(type));
  }
}

TEST_CASE("service and method are the path's") {
  CHECK(grpc_names("/shop.Orders/Place").service == "shop.Orders");
  CHECK(grpc_names("/shop.Orders/Place").method == "Place");
  CHECK(grpc_names("/a/b/Place?x=1").service == "a/b");
  CHECK(grpc_names("/a/b/Place?x=/1").method == "Place");
  for (const char* path : {"", "/", "//", "//x", "/x", "/x/", "x/y", "*"}) {
    CAPTURE(path);
    CHECK(grpc_names(path).service.empty());
    CHECK(grpc_names(path).method.empty());
  }
}

TEST_CASE("a status is a small number") {
  CHECK(parse_grpc_status("0") == 0);
  CHECK(parse_grpc_status("16") == 16);
  for (const char* text : {"", "-1", "1x", " 1", "12345"}) {
    CHECK_FALSE(parse_grpc_status(text).has_value());
  }
  CHECK(grpc_status_name(0) == "OK");
  CHECK(grpc_status_name(7) == "PERMISSION_DENIED");
  CHECK(grpc_status_name(16) == "UNAUTHENTICATED");
  CHECK(grpc_status_name(17) == "CODE_17");
  CHECK_FALSE(is_grpc_error(-1, false));
}

TEST_CASE("a message is decoded where it is encoded") {
  CHECK(decode_grpc_message("as was %22asked%22, 100%25 ok") == "as was \"asked\", 100% ok");
  CHECK(decode_grpc_message("50% of %zz%4") == "50% of %zz%4");
  CHECK(decode_grpc_message("%e2%82%AC") == "\xe2\x82\xac");
}

}  // namespace telinject::test::grpc_test
