"""The system calls that the supervisor is notified of, by name, with their numbers in each ABI.

The order is that of the filter's comparisons: the most frequent first. Numbers: arch/x86/entry/syscalls/*.tbl
"""

X86_64 = 0xC000003E
"""AUDIT_ARCH_X86_64"""
I386 = 0x40000003
"""AUDIT_ARCH_I386: programs of 32 bits on the same kernel"""

TRAPPED: dict[str, tuple[int, int]] = {
    # name: (x86_64, i386); a call that i386 has twice is listed with the number that takes ids of 32 bits
    "newfstatat": (262, 300),
    "stat": (4, 195),
    "fstat": (5, 197),
    "lstat": (6, 196),
    "statx": (332, 383),
    "openat": (257, 295),
    "geteuid": (107, 201),
    "getuid": (102, 199),
    "getegid": (108, 202),
    "getgid": (104, 200),
    "access": (21, 33),
    "execve": (59, 11),
    "open": (2, 5),
    "unlink": (87, 10),
    "rename": (82, 38),
    "getxattr": (191, 229),
    "lgetxattr": (192, 230),
    "fgetxattr": (193, 231),
    "faccessat": (269, 307),
    "faccessat2": (439, 439),
    "chmod": (90, 15),
    "fchmod": (91, 94),
    "fchmodat": (268, 306),
    "fchmodat2": (452, 452),
    "unlinkat": (263, 301),
    "rmdir": (84, 40),
    "renameat": (264, 302),
    "renameat2": (316, 353),
    "mkdir": (83, 39),
    "mkdirat": (258, 296),
    "symlink": (88, 83),
    "symlinkat": (266, 304),
    "link": (86, 9),
    "linkat": (265, 303),
    "chown": (92, 212),
    "fchown": (93, 207),
    "lchown": (94, 198),
    "fchownat": (260, 298),
    "creat": (85, 8),
    "openat2": (437, 437),
    "mknod": (133, 14),
    "mknodat": (259, 297),
    "bind": (49, 361),
    "getresuid": (118, 209),
    "getresgid": (120, 211),
    "getgroups": (115, 205),
    "setuid": (105, 213),
    "setgid": (106, 214),
    "setreuid": (113, 203),
    "setregid": (114, 204),
    "setresuid": (117, 208),
    "setresgid": (119, 210),
    "setfsuid": (122, 215),
    "setfsgid": (123, 216),
    "setgroups": (116, 206),
    "capget": (125, 184),
    "capset": (126, 185),
    "prctl": (157, 172),
    "prlimit64": (302, 340),
    "setrlimit": (160, 75),
    "execveat": (322, 358),
    "setxattr": (188, 226),
    "lsetxattr": (189, 227),
    "fsetxattr": (190, 228),
    "listxattr": (194, 232),
    "llistxattr": (195, 233),
    "flistxattr": (196, 234),
    "removexattr": (197, 235),
    "lremovexattr": (198, 236),
    "fremovexattr": (199, 237),
    "chroot": (161, 61),
    "pivot_root": (155, 217),
    "unshare": (272, 310),
    "setns": (308, 346),
}

REFUSED: dict[str, tuple[int | None, int | None]] = {
    # answered with ENOSYS, so that programs fall back to trapped calls
    "io_uring_setup": (425, 425),  # its requests bypass seccomp
    "setxattrat": (463, 463),
    "getxattrat": (464, 464),
    "listxattrat": (465, 465),
    "removexattrat": (466, 466),
    # ids of 16 bits, which no C library of this century uses
    "chown16": (None, 182),
    "lchown16": (None, 16),
    "fchown16": (None, 95),
    "setuid16": (None, 23),
    "setgid16": (None, 46),
    "setreuid16": (None, 70),
    "setregid16": (None, 71),
    "setgroups16": (None, 81),
    "setfsuid16": (None, 138),
    "setfsgid16": (None, 139),
    "setresuid16": (None, 164),
    "setresgid16": (None, 170),
    "socketcall": (None, 102),  # its bind cannot be told from its other calls
}

X32_BIT = 0x40000000
"""Numbers from here up are x32's, whose own table nobody needs: refused."""


def numbers_of(architecture: int) -> dict[str, int]:
    """Return name and number of every trapped call of an ABI."""
    column = 0 if architecture == X86_64 else 1
    return {name: numbers[column] for name, numbers in TRAPPED.items()}
