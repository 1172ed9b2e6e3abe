"""Sound and subtitles: copied packet by packet, in step with the pictures."""

from collections import defaultdict, deque
from fractions import Fraction
from typing import TYPE_CHECKING

from bauta.errors import MediaError
from bauta.media.video.demux import packets
from bauta.media.video.tags import kept_track_tags
from bauta.media.video.tally import Tally

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.stream import Stream

# Decoders of sound want some packets before the first that is heard: two of AAC, 80 ms of Opus.
_RUN_UP = Fraction(1, 10)


class Tracks:
    """The sound and subtitle tracks of a source, on their way into the written file.

    Attributes:
        notes: plain words for tracks that had to be left out.

    """

    def __init__(
        self,
        source: "InputContainer",
        output: "OutputContainer",
        *,
        keep: bool,
        start: Fraction,
        way_out: str,
    ) -> None:
        """Make a track in ``output`` for each in ``source``.

        Args:
            source: an open file, of which nothing has been read yet.
            output: the file that is written, before its first packet.
            keep: whether all tags of the tracks are kept.
            start: what is taken off all timestamps, in seconds.
            way_out: a suffix under which the tracks are more likely to fit.

        Raises:
            MediaError: the container that is written cannot hold a track.

        """
        from av.stream import Discard

        self.notes: list[str] = []
        self._output = output
        self._start = start
        self._pairs: dict[int, Stream] = {}
        self._hidden: defaultdict[int, deque[Packet[Stream]]] = defaultdict(deque)
        chosen = [one for one in source.streams if one.type in ("audio", "subtitle")]
        known = [one for one in chosen if one.codec_context is not None]
        for one in source.streams:
            if one in known:
                self._pairs[one.index] = self._add(one, keep=keep, way_out=way_out)
            else:
                one.discard = Discard.all  # not even read
        if len(known) < len(chosen):
            self.notes.append("a track in a codec that is not known here was left out")
        self._packets = packets(source, known, Tally())
        self._next = next(self._packets, None) if known else None

    def copy(self, until: Fraction | None = None) -> None:
        """Write the packets that begin ``until`` then, in seconds; all that are left if None."""
        while self._next is not None and (until is None or self._begin(self._next) <= until):
            self._pass_on(self._next)
            self._next = next(self._packets, None)

    def _add(self, one: "Stream", *, keep: bool, way_out: str) -> "Stream":
        try:
            added = self._output.add_stream_from_template(one)
        except ValueError as error:
            raise MediaError(
                f"the {one.type} is in {one.codec_context.name}, which a file of this name cannot "
                f'hold: let the name end in "{way_out}"'
            ) from error
        added.disposition = one.disposition
        added.metadata.clear()
        added.metadata.update(kept_track_tags(one.metadata, keep=keep))
        return added

    def _begin(self, packet: "Packet[Stream]") -> Fraction:
        ticks = packet.dts if packet.dts is not None else packet.pts
        return Fraction(0) if ticks is None else ticks * packet.time_base - self._start

    def _pass_on(self, packet: "Packet[Stream]") -> None:
        """Write ``packet``, unless an edit list cut it off and no decoder needs it as a run-up."""
        hidden = self._hidden[packet.stream_index]
        if packet.is_discard:
            hidden.append(packet)
        while hidden and self._begin(hidden[0]) < self._begin(packet) - _RUN_UP:
            hidden.popleft()
        if packet.is_discard or _is_gap(packet):
            return
        for one in [*hidden, packet]:
            self._output.mux(self._moved(one))
        hidden.clear()

    def _moved(self, packet: "Packet[Stream]") -> "Packet[Stream]":
        shift = round(self._start / packet.time_base)
        if packet.pts is not None:
            packet.pts -= shift
        if packet.dts is not None:
            packet.dts -= shift
        packet.stream = self._pairs[packet.stream_index]
        return packet


def _is_gap(packet: "Packet[Stream]") -> bool:
    """Whether ``packet`` is MP4's silence between two subtitles, which FFmpeg writes by itself."""
    return packet.stream.name == "mov_text" and bytes(packet) == b"\0\0"
