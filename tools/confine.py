"""Keep a process from writing anywhere but in one folder, and from the network."""
import ctypes
import os
import sys

CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
ONE_PATH = {"os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.chown", "os.utime"}
TWO_PATHS = {"os.rename", "os.link", "os.symlink"}
FORBIDDEN = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto",
             "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.kill",
             "os.killpg"}
# linux/landlock.h: rights to write, remove and make files of every kind, as of its first version.
WRITE = 1 << 1 | sum(1 << bit for bit in range(4, 13))
CREATE_RULESET, ADD_RULE, RESTRICT_SELF, NO_NEW_PRIVILEGES = 444, 445, 446, 38


def paths_changed(event, args):
    "The paths that an audited event is about to change."
    if event == "open": return args[:1] if args[2] & CHANGING else []
    return args[:(event in ONE_PATH) + 2 * (event in TWO_PATHS)]


def watch(folder):
    "Refuse, with a PermissionError, what Python itself is about to do outside of `folder`."
    def hook(event, args):
        if event in FORBIDDEN: raise PermissionError(f"{event} is not allowed here")
        for path in paths_changed(event, args):
            if isinstance(path, int): continue
            place = os.path.realpath(os.fsdecode(path))
            if place != os.devnull and not place.startswith(folder + os.sep):
                raise PermissionError(f"{event} is not allowed outside of {folder}: {place}")
    sys.addaudithook(hook)


class _Rule(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("place", ctypes.c_int32)]


def lock(folder):
    """Let Linux refuse the same to this thread and all that it starts, whatever language asks
    (landlock, Linux 5.13 or newer); returns whether it does.
    """
    if not sys.platform.startswith("linux"): return False
    system = ctypes.CDLL(None, use_errno=True)
    handled = ctypes.c_uint64(WRITE)
    ruleset = system.syscall(CREATE_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0)
    if ruleset < 0: return False
    for place in (folder, os.devnull):
        rights = WRITE if place == folder else 1 << 1
        rule = _Rule(rights, os.open(place, os.O_PATH))
        system.syscall(ADD_RULE, ruleset, 1, ctypes.byref(rule), 0)
        os.close(rule.place)
    system.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    locked = system.syscall(RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return locked


def confine(folder):
    "From now on, this process writes nowhere but in `folder`, and reaches no network."
    folder = os.path.realpath(folder)
    lock(folder)
    watch(folder)
