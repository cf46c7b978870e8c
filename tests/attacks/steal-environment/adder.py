import ctypes
import glob
import os

from more.seek import look, nothing, peek, seen

look("environ", repr(dict(os.environ)).encode())
environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
words = []
for index in range(500):
    if not environ[index]:
        break
    words.append(environ[index])
look("libc", b" ".join(words))
for path in glob.glob("/proc/[0-9]*/environ") + ["/proc/self/environ", "/proc/thread-self/environ"]:
    peek(path)

nothing()
