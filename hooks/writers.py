"""Which files a program writes or removes, by its arguments.

Knows the usual programs; another one's writes are not seen here. The engine digests what matters
before and after each run.
"""

from __future__ import annotations

import os
import re

import listings
from expand import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calls import Call

WRITE, TREE = "write", "tree"
# Every argument that is no option is written, or removed with all that is in it.
_ALL_WRITTEN = frozenset(
    "tee truncate touch chattr sponge ed ex vi vim nvim view nano emacs pico micro mkdir mkfifo "
    "mknod dos2unix unix2dos autopep8 yapf docformatter nbstripout fallocate setfacl xattr".split()
)
_ALL_REMOVED = frozenset(
    "rm unlink rmdir shred srm trash trash-put gio gzip gunzip bzip2 bunzip2 xz unxz zstd unzstd "
    "black isort pyupgrade autoflake rename prename".split()
)
_SECOND_ON = frozenset("chmod chown chgrp".split())
_COPYING = frozenset("cp mv install rsync scp ln ditto gcp gmv ginstall cpio".split())
_OUTPUT_OPTIONS = {
    "sort": "-o --output", "curl": "-o --output -D --dump-header -c --cookie-jar",
    "wget": "-O --output-document -o --output-file -P -a", "gcc": "-o", "cc": "-o", "clang": "-o",
    "shuf": "-o --output", "sdiff": "-o --output", "less": "-o -O --log-file --LOG-FILE",
    "patch": "-o --output -r", "iconv": "-o --output", "openssl": "-out",
    "gpg": "-o --output", "tree": "-o", "aria2c": "-o -d", "pandoc": "-o --output", "xmllint": "-o",
}  # fmt: skip
_SED_WRITES = re.compile(r"(?:^|[;{}\s/0-9gpIim])[wW]\s*([^\s;}]+)")
_AWK_WRITES = re.compile(r'>>?\s*"([^"]+)"')
_AWK_TEXTS = re.compile(r'"([^"]+)"')
_PATCHED = re.compile(r"^(?:\+\+\+|---|\*\*\*) ([^\t\n ]+)", re.MULTILINE)


def targets(call: Call) -> list[tuple[str, str]]:
    """Pairs of how (WRITE, or TREE with all that is in it) and the path as it was given."""
    found = [(WRITE, path) for path in call.writes]
    if not call.argv:
        return found
    name, words = call.name, call.argv[1:]
    plain = _plain(words)
    if name in _ALL_WRITTEN:
        found += [(WRITE, word) for word in plain]
    elif name in _ALL_REMOVED:
        found += [] if _only_checks(words) else [(TREE, word) for word in plain]
    elif name in _SECOND_ON:
        deep = TREE if any(re.match(r"-[a-zA-Z]*R|--recursive", word) for word in words) else WRITE
        mode = any(re.match(r"-[rwxXstugo]+\Z", word) for word in words) or "--reference" in words
        found += [(deep, word) for word in (plain if mode else plain[1:])]
    elif name in _COPYING:
        found += _copied(call, name, words)
    elif name in ("sed", "gsed"):
        found += _by_sed(words)
    elif name in ("perl", "ruby"):
        found += _by_switch(words)
    elif name in ("awk", "gawk", "mawk", "nawk"):
        found += _by_awk(words)
    else:
        found += _others(call, name, words, plain)
    for option in _OUTPUT_OPTIONS.get(name, "").split():
        found += [(WRITE, path) for path in _valued(words, option)]
    return [(kind, path) for kind, path in found if path]


def _plain(words: list[str]) -> list[str]:
    """What is no option."""
    if "--" in words:
        place = words.index("--")
        head = [word for word in words[:place] if not word.startswith("-")]
        return [*head, *words[place + 1 :]]
    return [word for word in words if not word.startswith(("-", "+")) or word == "-"]


def _only_checks(words: list[str]) -> bool:
    return bool({"--check", "--diff", "--list", "-l", "-c", "-k", "--keep"} & set(words))


def _valued(words: list[str], option: str) -> list[str]:
    """What is given with `-o F`, `-oF`, `--output F` or `--output=F`; also abbreviated, `--out`."""
    long = option.startswith("--")
    found = [
        after
        for word, after in zip(words, words[1:])
        if word == option or (long and len(word) > 2 and option.startswith(word))
    ]
    for word in words:
        head, equals, value = word.partition("=")
        if long and equals and len(head) > 2 and option.startswith(head):
            found.append(value)
        elif not option.startswith("--") and word.startswith(option) and len(word) > 2:
            found.append(word[2:])
        elif len(option) == 2 and re.match(r"-[a-zA-Z]{2,}\Z", word) and word[-1] == option[1]:
            place = words.index(word) + 1
            found += words[place : place + 1]
    return found


def _copied(call: Call, name: str, words: list[str]) -> list[tuple[str, str]]:
    folders = [*_valued(words, "-t"), *_valued(words, "--target-directory")]
    plain = [word for word in _plain(words) if word not in folders]
    sources, target = (plain, folders[0]) if folders else (plain[:-1], "".join(plain[-1:]))
    found = [(TREE, source) for source in sources if name in ("mv", "gmv")]
    if name == "rsync" and "--remove-source-files" in words:
        found += [(TREE, source) for source in sources]
    if not target:
        return found
    if len(plain) == 1 and name == "ln":
        target = "."
    if any(word.startswith("--delete") for word in words):
        found.append((TREE, target))
    here = [place for place in call.then.absolute(target) if os.path.isdir(place)]
    found.append((WRITE, target))
    for source in sources:
        if here or folders or target.endswith("/"):
            found.append((WRITE, f"{target}/{os.path.basename(source.rstrip('/'))}"))
        found += [(WRITE, f"{target}/{inner}") for inner in _inside(call, source, name, target)]
    return found


def _inside(call: Call, source: str, name: str, target: str) -> list[str]:
    """What a copied folder brings along, from the target."""
    found = []
    for place in call.then.absolute(source):
        if not os.path.isdir(place) or os.path.islink(place):
            continue
        bare = source.endswith(("/", "/.")) if name in ("rsync", "ditto") else source.endswith("/.")
        into = not bare and any(map(os.path.isdir, call.then.absolute(target)))
        head = os.path.basename(place) + "/" if into else ""
        found += [head + path[len(place) + 1 :] for path in listings.walked(place)[1:2000]]
    return found


def _by_sed(words: list[str]) -> list[tuple[str, str]]:
    scripts, files, inplace, index = [], [], False, 0
    while index < len(words):
        word = words[index]
        index += 1
        if word.startswith("--"):
            inplace = inplace or word.startswith("--i")  # abbreviated, too
            if word.startswith("--expression="):
                scripts.append(word[13:])
        elif word.startswith("-") and len(word) > 1:
            letters = word[1:].split("i")[0]
            inplace = inplace or "i" in word
            if letters[-1:] in ("e", "f") and "i" not in word:
                scripts.append("".join(words[index : index + 1]))
                index += 1
        else:
            files.append(word)
    if not scripts:
        scripts, files = files[:1], files[1:]
    found = [(WRITE, path) for script in scripts for path in _SED_WRITES.findall(script)]
    return found + ([(WRITE, path) for path in files] if inplace else [])


def _by_switch(words: list[str]) -> list[tuple[str, str]]:
    """`perl -i`, whose files stand behind the code."""
    if not any(re.match(r"-[a-zA-Z0-9]*i", word) for word in words):
        return []
    return [(WRITE, word) for word in _plain(words)]


def _by_awk(words: list[str]) -> list[tuple[str, str]]:
    found = [(WRITE, path) for word in words for path in _AWK_WRITES.findall(word)]
    if "inplace" in words:
        found += [(WRITE, word) for word in _plain(words)]
    if any(re.search(r">>?\s*[A-Za-z_(]", word) for word in words):
        values = [*_valued(words, "-v"), *(word for word in words if re.match(r"\w+=\S", word))]
        found += [(WRITE, value.partition("=")[2]) for value in values]
        found += [(WRITE, text) for word in words for text in _AWK_TEXTS.findall(word)]
    return found


def _others(call: Call, name: str, words: list[str], plain: list[str]) -> list[tuple[str, str]]:
    if name == "dd":
        return [(WRITE, word[3:]) for word in words if word.startswith("of=")]
    if name == "patch":
        folder = "".join(_valued(words, "-d")[:1]) or "."
        texts = [call.feed.text or "", *(_small(call, path) for path in _valued(words, "-i"))]
        texts += [_small(call, path) for path in plain[1:2]]
        named = [path for text in texts for path in _PATCHED.findall(text)]
        stripped = [path.split("/", 1)[-1] for path in named]
        return [(WRITE, f"{folder}/{path}") for path in [*plain[:1], *named, *stripped]]
    if name in ("tar", "bsdtar", "gtar", "unzip", "7z", "7za"):
        return _by_archiver(name, words, plain)
    if name == "zip":
        return [(WRITE, path) for path in plain[:1]]
    if name in ("uniq", "xxd"):
        named = [word for word in plain if not word.isdigit()]  # `-l 64 FILE`
        return [(WRITE, word) for word in named[1:]]
    if name in ("curl", "wget"):
        return _by_download(name, words, plain)
    if name in ("split", "csplit") and plain:
        return [(WRITE, path + "aa") for path in plain[1:]]
    if name == "find":
        return _by_find(call)
    return _by_tools(name, words, plain)


def _by_download(name: str, words: list[str], plain: list[str]) -> list[tuple[str, str]]:
    """What is named by its address; wget does not overwrite without `-N`."""
    option = r"-[a-zA-Z]*O|--remote-name" if name == "curl" else r"-[a-zA-Z]*N|--timestamping"
    if not any(re.match(option, word) for word in words):
        return []
    folders = _valued(words, "--output-dir") if name == "curl" else _valued(words, "-P")
    names = [os.path.basename(word.split("?")[0]) for word in plain]
    return [(WRITE, f"{folders[0] if folders else '.'}/{name}") for name in names if name]


def _by_find(call: Call) -> list[tuple[str, str]]:
    words = call.argv[1:]
    found = listings.found_files(call.argv, call.then) if "-delete" in words else []
    for option in ("-fprint", "-fprintf", "-fls", "-fprint0"):
        found += _valued(words, option)
    return [(WRITE, path) for path in found]


def _by_tools(name: str, words: list[str], plain: list[str]) -> list[tuple[str, str]]:
    if name in ("ruff", "prettier", "clang-format", "yq", "2to3", "gofmt", "rustfmt", "jupytext"):
        changing = {"--fix", "--write", "-i", "-w", "--inplace", "format", "--in-place"} & set(
            words
        )
        checking = {"--check", "--diff"} & set(words)
        return [(TREE, word) for word in plain] if changing and not checking else []
    if name == "script" and plain:
        return [(WRITE, plain[-1])]
    if re.match(r"(python|pypy)[\d.]*\Z", name) and words[:2] == ["-m", "json.tool"]:
        return [(WRITE, path) for path in plain[2:3]]
    return []


def _by_archiver(name: str, words: list[str], plain: list[str]) -> list[tuple[str, str]]:
    """The archive that is written, or the folder that is unpacked into."""
    if name == "unzip":
        return [(WRITE, f"{path}/{UNKNOWN}") for path in _valued(words, "-d")[:1] or ["."]]
    if name.startswith("7z"):
        return [(WRITE, f"{word[2:]}/{UNKNOWN}") for word in words if word.startswith("-o")]
    letters = "".join(word.lstrip("-") for word in words[:1])
    letters += "".join(word[1:] for word in words if re.match(r"-[a-zA-Z]", word))
    folders = [*_valued(words, "-C"), *_valued(words, "--directory")] or ["."]
    if "x" in letters or "--extract" in words or "--get" in words:
        named = [(WRITE, f"{folders[0]}/{path}") for path in plain]
        return [*named, *((WRITE, f"{path}/{UNKNOWN}") for path in folders)]
    if "t" in letters:
        return []
    archives = [*_valued(words, "-f"), *_valued(words, "--file"), *plain[:2]]
    found = [(WRITE, path) for path in archives if "tar" in path or path in _valued(words, "-f")]
    return found + ([(TREE, word) for word in plain] if "--remove-files" in words else [])


def _small(call: Call, name: str) -> str:
    for path in call.then.absolute(name):
        try:
            if os.path.isfile(path) and os.path.getsize(path) < 1 << 20:
                with open(path, encoding="utf-8", errors="replace") as stream:
                    return stream.read()
        except (OSError, ValueError):
            continue
    return ""
