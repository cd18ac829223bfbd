"""Names without arguments, and the pairing of nm's two lists."""

import subprocess

import pytest
from teltest.names import functions_at, without_arguments


@pytest.mark.parametrize(("full", "short"), [
    ("main", "main"),
    ("f(int)", "f"),
    ("ns::Shape<int>::area(double) const", "ns::Shape<int>::area"),
    ("(anonymous namespace)::f(int)", "(anonymous namespace)::f"),
    ("(anonymous namespace)::f", "(anonymous namespace)::f"),
    ("Shape::operator()(int)", "Shape::operator()"),
    ("Shape::operator()() const", "Shape::operator()"),
    ("f(int)::{lambda(char)#1}::operator()(char) const", "f(int)::{lambda(char)#1}::operator()"),
    ("outer(int)::Local::g(char)", "outer(int)::Local::g"),
    ("int max<int>(int, int)", "max<int>"),
    ("std::vector<int, std::allocator<int> > make<int>(int)", "make<int>"),
    ("void call<void (*)(int)>(void (*)(int))", "call<void (*)(int)>"),
    ("std::function<void (int)>::operator()(int) const", "std::function<void (int)>::operator()"),
    ("Shape::operator int() const", "Shape::operator int"),
    ("Shape::operator std::vector<int>() const", "Shape::operator std::vector<int>"),
    ("Pointer::operator->()", "Pointer::operator->"),
    ("operator<<(Stream&, int)", "operator<<"),
    ("Shape::~Shape()", "Shape::~Shape"),
    ("Shape::area() &&", "Shape::area"),
    ("f(int) [clone .constprop.0]", "f"),
    ("make[abi:cxx11](int)", "make[abi:cxx11]"),
])
def test_without_arguments(full, short):
    assert without_arguments(full) == short


SOURCE = """
namespace ns { template <class T> struct Box { T get(T x) const { return x; } }; }
template <class T> T twice(T x) { return x + x; }
static int hidden(int x) { return x; }
int main() { ns::Box<int> b; return b.get(twice(hidden(0))); }
"""


@pytest.fixture
def program(tmp_path):
    source = tmp_path / "a.cpp"
    source.write_text(SOURCE)
    subprocess.run(["g++", "-O0", source, "-o", tmp_path / "a"], check=True)
    return tmp_path / "a"


def test_functions_of_a_program(program):
    found = {linkage: name for symbols in functions_at(str(program)).values()
             for linkage, name in symbols}
    assert found["main"] == "main"
    assert found["_ZL6hiddeni"] == "hidden"
    assert found["_Z5twiceIiET_S0_"] == "twice<int>"
    assert found["_ZNK2ns3BoxIiE3getEi"] == "ns::Box<int>::get"


def test_stripped_library_has_what_it_exports(tmp_path):
    source = tmp_path / "b.c"
    source.write_text("static int hidden(int x) { return x; } int shown(int x) "
                      "{ return hidden(x); }")
    library = tmp_path / "libb.so"
    subprocess.run(["gcc", "-O0", "-shared", "-fPIC", "-s", source, "-o", library], check=True)
    names = {name for symbols in functions_at(str(library)).values() for _, name in symbols}
    assert "shown" in names
    assert "hidden" not in names
