"""What a coding client's last words mean to whoever starts it again, and until when it must wait.

Understands Claude Code's; of others what they have in common. Looks at no clock: `now` comes in.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Kind = Literal["limit", "server", "login", "no session", "nothing"]
# Words of long ago are the agent's, or a log's that it read.
_LAST_CHARACTERS = 4000
_LONGEST_WAIT = timedelta(days=8)
_JUST_PAST = timedelta(hours=23, minutes=30)

# In this order: a refused login is an API error too, and so is a limit.
_PATTERNS: dict[Kind, str] = {
    "no session": r"no conversation found|session (?:\S+ )?not found",
    "limit": (
        r"usage limit reached|(?:-hour|session|weekly|daily|monthly|spend|opus|sonnet|haiku) "
        r"limit reached|hit your [^.\n]{0,60}limit|rate.?limit|too many requests"
        r"|(?:error|rejected|status)\W{0,4}\b429\b"
        r"|out of (?:extra )?usage"
    ),
    "login": (
        r"not logged in|run /login|invalid api key|login expired|oauth token (?:revoked|has "
        r"expired|expired)|authentication_error|failed to authenticate|credit balance is too "
        r"low|session expired"
    ),
    "server": (
        r"api error|overloaded|internal server error|server_error|bad gateway|service "
        r"unavailable|connection (?:error|refused|reset|closed)|unable to connect|fetch failed"
        r"|econn(?:reset|refused|aborted)|etimedout|enotfound|eai_again|request timed out"
    ),
}
_KINDS = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in _PATTERNS.items()}
_IS_ERROR = re.compile(r'"(?:is_error|isApiErrorMessage)": ?true|"type": ?"error"')
_EPOCH = re.compile(r"limit reached\s*\|\s*(\d{10})(?:\d{3})?\b", re.IGNORECASE)
_IN = re.compile(
    r"\bresets? in (?:(\d+)\s*d\w*)?\s*(?:(\d+)\s*h\w*)?\s*(?:(\d+)\s*m\w*)?", re.IGNORECASE
)
_AT = re.compile(
    r"\bresets?:?(?: on| at)?\s+(?:(?P<month>[a-z]{3})[a-z]*\.? (?P<day>\d{1,2})(?:,| at)?\s+)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>[ap])\.?m\b"
    r"(?:\s*\((?P<zone>[A-Za-z_]+(?:/[A-Za-z_+-]+)*)\))?",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Said(NamedTuple):
    """What the client said at its end; `until` where it named a time before which it is vain."""

    kind: Kind
    until: datetime | None = None
    line: str = ""


def understood(text: str, now: datetime) -> Said:
    """The meaning of the last words, judged by their last line that means anything."""
    for line in reversed(text[-_LAST_CHARACTERS:].splitlines()):
        if line.startswith("{") and not _IS_ERROR.search(line):
            continue  # of what the client tells in JSON as it goes on, most is no trouble
        for kind, pattern in _KINDS.items():
            if pattern.search(line):
                return Said(kind, _reset(line, now) if kind == "limit" else None, line.strip())
    return Said("nothing")


def _reset(line: str, now: datetime) -> datetime | None:
    """The time that the line names; None where it names none, or none to be believed."""
    found = _by_epoch(line) or _by_duration(line, now) or _by_clock(line, now)
    return found if found is not None and now <= found <= now + _LONGEST_WAIT else None


def _by_epoch(line: str) -> datetime | None:
    match = _EPOCH.search(line)
    return datetime.fromtimestamp(int(match[1]), timezone.utc) if match else None


def _by_duration(line: str, now: datetime) -> datetime | None:
    match = _IN.search(line)
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes = (int(item or 0) for item in match.groups())
    if max(days, hours, minutes) > 10_000:
        return None
    return now + timedelta(days=days, hours=hours, minutes=minutes)


def _by_clock(line: str, now: datetime) -> datetime | None:
    match = _AT.search(line)
    if match is None:
        return None
    local = now.astimezone(_zone(match["zone"]))
    hour = int(match["hour"]) % 12 + (12 if match["half"].lower() == "p" else 0)
    try:
        then = local.replace(hour=hour, minute=int(match["minute"] or 0), second=0, microsecond=0)
        if match["month"]:
            month = _MONTHS.index(match["month"].lower()) + 1
            then = then.replace(month=month, day=int(match["day"]))
            return then.replace(year=then.year + 1) if then < local - timedelta(days=180) else then
    except ValueError:
        return None
    if then <= local:
        then += timedelta(days=1)
    return now if then - local > _JUST_PAST else then


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
