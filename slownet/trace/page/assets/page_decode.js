// Unpacking: turns the blocks written by block.go into columns of numbers.

/** Reads the variable-length integers of Go's encoding/binary. */
class Cursor {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  get done() { return this.at >= this.bytes.length; }
  byte() { return this.bytes[this.at++]; }
  uint() {
    let b = this.bytes[this.at++];
    if (b < 128) return b;
    let value = b & 127, unit = 128;
    do {
      b = this.bytes[this.at++];
      value += (b & 127) * unit;
      unit *= 128;
    } while (b > 127);
    return value;
  }
  int() {
    const n = this.uint();
    return n % 2 ? -(n + 1) / 2 : n / 2;
  }
  column() {
    const length = this.uint();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

/** Returns the bytes of a data element. */
async function unpack(element) {
  const text = element.textContent;
  let packed;
  if (Uint8Array.fromBase64) packed = Uint8Array.fromBase64(text);
  else {
    const binary = atob(text);
    packed = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) packed[i] = binary.charCodeAt(i);
  }
  element.remove(); // its text is not needed twice
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const RESENT = 1, BACK = 2, HIT = 4, LOST = 8, MARK = 16, MERE_ACK = 32; // flags of an event

/** The events of a run, in columns. Names, connections and notes count from 1. */
class Run {
  constructor(number, total) {
    this.number = number;
    this.count = 0;
    this.kinds = [];
    this.names = [""];
    this.conns = [null];
    this.notes = [""];
    this.noteNumbers = new Map([["", 0]]);
    this.blocks = []; // {first, packets, payloads, payloadStart}
    this.payloadBytes = 0;
    this.hasPackets = false;
    this.at = new Float64Array(total); // in nanoseconds since the run's start
    this.left = new Float64Array(total); // when the bytes left
    this.took = new Float64Array(total);
    this.offset = new Float64Array(total);
    this.length = new Float64Array(total);
    this.kind = new Uint8Array(total);
    this.flags = new Uint8Array(total);
    for (const column of ["from", "to", "conn", "note", "payloadAt", "payloadLength", "packetAt", "window"]) this[column] = new Uint32Array(total);
    this.packetNumber = null; // made with the first packet
    this.last = 0;
    this.next = []; // of each connection, which offset comes next, by sender
  }

  /** Adds a block. */
  add(bytes) {
    const all = new Cursor(bytes);
    const strings = JSON.parse(new TextDecoder().decode(all.column()));
    this.kinds = strings.kinds;
    for (const name of strings.names ?? []) this.names.push(name);
    for (const conn of strings.conns ?? []) this.conns.push(conn);
    const notes = [0];
    for (const note of strings.notes ?? []) {
      if (!this.noteNumbers.has(note)) {
        this.noteNumbers.set(note, this.notes.length);
        this.notes.push(note);
      }
      notes.push(this.noteNumbers.get(note));
    }
    const at = new Cursor(all.column()), kind = all.column();
    const [from, to, conn, offset, length, took, note, payload] = Array.from({ length: 8 }, () => new Cursor(all.column()));
    const payloads = all.column(), packets = new Cursor(all.column());
    const first = this.count;
    this.blocks.push({ first, packets: packets.bytes, payloads, payloadStart: this.payloadBytes });
    for (let j = 0; j < kind.length; j++) {
      const i = first + j;
      this.last += at.int();
      this.at[i] = this.last;
      this.kind[i] = kind[j];
      const sender = from.uint(), which = conn.uint();
      this.from[i] = sender;
      this.to[i] = to.uint();
      this.conn[i] = which;
      this.length[i] = length.uint();
      const next = this.next[which] ??= new Map();
      this.offset[i] = offset.int() + (next.get(sender) ?? 0);
      next.set(sender, this.offset[i] + this.length[i]);
      this.took[i] = took.int();
      this.note[i] = notes[note.uint()];
      this.payloadAt[i] = this.payloadBytes;
      this.payloadLength[i] = payload.uint();
      this.payloadBytes += this.payloadLength[i];
      this.packetAt[i] = packets.at;
      if (packets.byte()) this.takePacket(i, packets);
    }
    this.count += kind.length;
  }

  takePacket(i, cursor) {
    const packet = readPacket(cursor);
    this.hasPackets = true;
    this.packetNumber ??= new Float64Array(this.at.length);
    this.packetNumber[i] = packet.number;
    this.window[i] = Math.min(packet.congestion, 2 ** 32 - 1);
    if (packet.resent) this.flags[i] |= RESENT;
    if (this.length[i] === 0 && (packet.flags & 7) === 0) this.flags[i] |= MERE_ACK;
  }

  blockOf(i) {
    let low = 0, high = this.blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.blocks[middle].first <= i) low = middle; else high = middle - 1;
    }
    return this.blocks[low];
  }

  /** Returns the headers of an event's packet, or null. */
  packet(i) {
    const cursor = new Cursor(this.blockOf(i).packets);
    cursor.at = this.packetAt[i];
    return cursor.byte() ? readPacket(cursor) : null;
  }

  payload(i) {
    const block = this.blockOf(i), start = this.payloadAt[i] - block.payloadStart;
    return block.payloads.subarray(start, start + this.payloadLength[i]);
  }

  /** Returns the display name of a connection. */
  connName(c) {
    return c ? this.conns[c][3] || this.connID(c) : "";
  }

  /** Returns the name that a connection has in the trace. */
  connID(c) {
    if (!c) return "";
    const [host, network, number] = this.conns[c];
    return `${this.names[host]}/${network}#${number}`;
  }
}


function readPacket(cursor) {
  const packet = {
    number: cursor.uint(), from: cursor.uint(), to: cursor.uint(), flags: cursor.byte(), resent: cursor.byte() === 1,
    seq: cursor.int(), ack: cursor.int(), window: cursor.int(), size: cursor.int(), congestion: cursor.int(), sack: [],
  };
  for (let n = cursor.int(); n > 0; n--) packet.sack.push([cursor.int(), cursor.int()]);
  return packet;
}
