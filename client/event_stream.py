"""Server-sent events (WHATWG HTML, Section 9.2): bytes in, messages out."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Message:
    """One dispatched event: its data, its type and the id of the latest message that had one."""

    data: str
    type: str
    id: str


@dataclass
class EventDecoder:
    """Takes an event stream piece by piece."""

    last_id: str = ""
    _buffer: bytes = b""
    _data: list[str] = field(default_factory=list)
    _type: str = ""

    def feed(self, piece: bytes) -> list[Message]:
        """The messages that `piece` completes. Lines end with LF or CRLF."""
        *lines, self._buffer = (self._buffer + piece).split(b"\n")
        messages = [self._line(line.removesuffix(b"\r").decode("utf-8", "replace")) for line in lines]
        return [message for message in messages if message is not None]

    def _line(self, line: str) -> Message | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id":
            self.last_id = value
        return None

    def _dispatch(self) -> Message | None:
        """An empty line ends a message; one without data, such as a heartbeat, is none."""
        data, kind = "\n".join(self._data), self._type or "message"
        sent = bool(self._data)
        self._data, self._type = [], ""
        return Message(data, kind, self.last_id) if sent else None
