"""Frames that are left without returning: by exceptions and by longjmp. Who called whom stays right."""

from traced import tree

THROWN = tree("""
    main
      caught
        guarded !unwound !std::runtime_error
          plain !unwound !std::runtime_error
            thrower !unwound !std::runtime_error
          Guard::~Guard
            tidy
        handle
        after
      rethrown
        middle !unwound !int
          guarded !unwound !int
            plain !unwound !int
              thrower !unwound !int
            Guard::~Guard
              tidy
          handle
          Guard::~Guard
            tidy
        handle
        after
      replaced
        replace !unwound !int
          plain !unwound !std::runtime_error
            thrower !unwound !std::runtime_error
          thrower !unwound !int
        handle
        after
      carried
        carry
          thrower !unwound !std::runtime_error
        handle
      repeated
        guarded !unwound !std::runtime_error
          plain !unwound !std::runtime_error
            thrower !unwound !std::runtime_error
          Guard::~Guard
            tidy
        handle
        guarded !unwound !int
          plain !unwound !int
            thrower !unwound !int
          Guard::~Guard
            tidy
        after
        guarded !unwound !std::runtime_error
          plain !unwound !std::runtime_error
            thrower !unwound !std::runtime_error
          Guard::~Guard
            tidy
        handle
      quiet
        guarded
          plain
            thrower
          after
          Guard::~Guard
            tidy
    """)

JUMPED = tree("""
    main
      own
        after
      deep
        two !longjmp
          one !longjmp
            jump !longjmp
        after x2
      twice
        inner !longjmp
          two !longjmp
            one !longjmp
              jump !longjmp
          after
          jump !longjmp
        after
      loop
        two !longjmp x3
          one !longjmp
            jump !longjmp
      either
        maybe
          after
        maybe !longjmp
          jump !longjmp
        maybe
          after
        maybe !longjmp
          jump !longjmp
      plainly
        after x2
    """)

HANDLERS_JUMPED = tree("""
    main
      attempts x2
        attempt
          interrupted !longjmp
            handler !longjmp
              after
              leave !longjmp
          after
        attempt
          interrupted
            handler
              after x2
            after
        attempt
          interrupted !longjmp
            handler !longjmp
              after
              leave !longjmp
          after
    """)


def test_exceptions(traced):
    """g++'s code runs exit hooks while it unwinds, clang's does not: it makes no difference."""
    assert traced.run("tree/exceptions.cpp").outline() == THROWN


def test_longjmp(traced):
    assert traced.run("tree/longjmp.c").outline() == JUMPED


def test_longjmp_with_checks(traced):
    """With _FORTIFY_SOURCE longjmp is another function of libc's."""
    flags = ("-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", "-Wno-cpp", "-Wno-#warnings")
    assert traced.run("tree/longjmp.c", flags=flags).outline() == JUMPED


def test_siglongjmp_out_of_handlers(traced):
    """First from the interrupted stack, then from an alternate one."""
    assert traced.run("tree/signal_jumps.c").outline() == HANDLERS_JUMPED
