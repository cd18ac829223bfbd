extern int sink(int);
namespace ns {
namespace {
template <typename T>
struct Box {
  T value;
  Box(T v) : value(v) {}
  ~Box() { sink(0); }
  int get(int k) const { return sink(value + k); }
};
inline int help(int a) {
  return Box<int>(a).get(1);
}
}  // namespace
int outer(int argument) {
  auto f = [argument](int b) { return help(b) + argument; };
  return f(argument) + Box<char>(1).get(2);
}
}  // namespace ns
