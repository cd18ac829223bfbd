// A gRPC server and its client.
//
//   grpc_pair server [CERTIFICATE KEY]           prints its port; when its standard input ends,
//                                                prints how many calls it had, and ends
//   grpc_pair client PORT CALLS THREADS SEED [CERTIFICATE]
//
// The threads share a few channels. Each replaces one at random now and then: its connection is
// closed by whichever thread lets go of it last, while others were at work on it. Call number N
// asks for status N % 17, by x-code, and has its number in x-call; odd ones are streams of three
// messages, and some fail before the server has read anything (x-early). The client prints "N
// STATUS" a call.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kStatuses = 17;

std::atomic<int> g_served;

std::string read_file(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// ---- the server

int number_in(const grpc::ServerContextBase& context, const char* name) {
  auto found = context.client_metadata().find(name);
  if (found == context.client_metadata().end()) return 0;
  return std::atoi(std::string(found->second.data(), found->second.size()).c_str());
}

// Sends back what it gets, then the status.
class Call final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Call(const grpc::GenericCallbackServerContext& context)
      : code_(number_in(context, "x-code")) {
    g_served++;
    if (number_in(context, "x-early") != 0) {
      Finish(status());
    } else {
      StartRead(&message_);
    }
  }
  void OnReadDone(bool ok) override {
    if (ok) {
      StartWrite(&message_);
    } else {
      Finish(status());
    }
  }
  void OnWriteDone(bool ok) override {
    if (ok) {
      StartRead(&message_);
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }
  void OnDone() override { delete this; }

 private:
  grpc::Status status() const {
    if (code_ == 0) return grpc::Status::OK;
    return {static_cast<grpc::StatusCode>(code_), "as was \"asked\", 100% ok"};
  }

  int code_;
  grpc::ByteBuffer message_;
};

class Service final : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Call(*context);
  }
};

int serve(const char* certificate, const char* key) {
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (certificate != nullptr) {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({read_file(key), read_file(certificate)});
    credentials = grpc::SslServerCredentials(options);
  }
  Service service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", credentials, &port);
  builder.RegisterCallbackGenericService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::printf("%d\n", port);
  std::fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) {
  }
  server->Shutdown();
  std::printf("%d\n", g_served.load());
  return 0;
}

// ---- the client

struct Channels {
  std::string target;
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  std::mutex mutex;
  std::array<std::shared_ptr<grpc::Channel>, 4> all;

  std::shared_ptr<grpc::Channel> make() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    arguments.SetSslTargetNameOverride("localhost");
    return grpc::CreateCustomChannel(target, credentials, arguments);
  }
  std::shared_ptr<grpc::Channel> pick(std::mt19937* random) {
    size_t index = (*random)() % all.size();
    bool replace = (*random)() % 16 == 0;
    std::shared_ptr<grpc::Channel> made = replace ? make() : nullptr, old;
    std::lock_guard lock(mutex);
    if (replace || all[index] == nullptr) old = std::exchange(all[index], replace ? made : make());
    return all[index];
  }
};

void wait(grpc::CompletionQueue* queue) {
  void* tag;
  bool ok;
  queue->Next(&tag, &ok);
}

grpc::Status ask_once(grpc::GenericStub* stub, grpc::ClientContext* context,
                      const grpc::ByteBuffer& message, grpc::CompletionQueue* queue) {
  grpc::Status status;
  grpc::ByteBuffer answer;
  auto call = stub->PrepareUnaryCall(context, "/shop.Orders/Place", message, queue);
  call->StartCall();
  call->Finish(&answer, &status, nullptr);
  wait(queue);
  return status;
}

grpc::Status ask_in_a_stream(grpc::GenericStub* stub, grpc::ClientContext* context,
                             const grpc::ByteBuffer& message, grpc::CompletionQueue* queue) {
  grpc::Status status;
  grpc::ByteBuffer answer;
  auto call = stub->PrepareCall(context, "/shop.Orders/Watch", queue);
  call->StartCall(nullptr);
  wait(queue);
  for (int i = 0; i < 3; i++) {
    call->Write(message, nullptr);
    wait(queue);
    call->Read(&answer, nullptr);
    wait(queue);
  }
  call->WritesDone(nullptr);
  wait(queue);
  call->Finish(&status, nullptr);
  wait(queue);
  return status;
}

void ask(Channels* channels, std::atomic<int>* next, int calls, unsigned seed,
         std::vector<int>* statuses) {
  std::mt19937 random(seed);
  grpc::CompletionQueue queue;
  grpc::Slice slice(std::string(200, 'd'));
  grpc::ByteBuffer message(&slice, 1);
  for (int number = (*next)++; number < calls; number = (*next)++) {
    grpc::GenericStub stub(channels->pick(&random));
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.AddMetadata("x-call", std::to_string(number));
    context.AddMetadata("x-code", std::to_string(number % kStatuses));
    if (number % 10 == 9) context.AddMetadata("x-early", "1");
    grpc::Status status = number % 2 == 0 ? ask_once(&stub, &context, message, &queue)
                                          : ask_in_a_stream(&stub, &context, message, &queue);
    (*statuses)[static_cast<size_t>(number)] = status.error_code();
  }
  queue.Shutdown();
  void* tag;
  bool ok;
  while (queue.Next(&tag, &ok)) {
  }
}

int call(int argc, char** argv) {
  int calls = std::atoi(argv[3]), count = std::atoi(argv[4]), seed = std::atoi(argv[5]);
  Channels channels;
  channels.target = std::string("127.0.0.1:") + argv[2];
  channels.credentials = grpc::InsecureChannelCredentials();
  if (argc > 6) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = read_file(argv[6]);
    channels.credentials = grpc::SslCredentials(options);
  }
  std::vector<int> statuses(static_cast<size_t>(calls), -1);
  std::atomic<int> next{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; i++) {
    threads.emplace_back(
        [&, i] { ask(&channels, &next, calls, static_cast<unsigned>(seed + i), &statuses); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < statuses.size(); i++) std::printf("%zu %d\n", i, statuses[i]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string what = argc > 1 ? argv[1] : "";
  if (what == "server") return serve(argc > 3 ? argv[2] : nullptr, argc > 3 ? argv[3] : nullptr);
  if (what == "client" && argc > 5) return call(argc, argv);
  return 2;
}
