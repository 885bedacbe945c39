// Rooms: who is here, who is typing, what was said, what was drawn. Texts are JSON with a `type`;
// bytes are strokes of the doodle, ten each (see page/doodle.js).
//
// Who enters is told all about the room. The others are told what has changed, and that ten times a
// second at most: with the whole list to everybody at each change, one page that typed on and off
// without end, in a room of 200, would keep the server from everything else.
import { tidy } from './page/rules.js';

const MAX_SAID = 50;
const MAX_STROKES = 4000;
const STROKE_SIZE = 10;
const MAX_EMPTY_ROOMS = 100;
/** How long changes are gathered, in milliseconds. */
const GATHERING_TIME = 100;

export class Chat {
  #server;
  // By name.
  #rooms = new Map();
  // Who is alone in a room, and reconnects, finds it as it was: the last that were left are kept.
  #emptyRooms = new Set();
  #changedVisitors = new Set();

  constructor(server) {
    this.#server = server;
  }

  enter(socket) {
    const { visitor } = socket.data;
    const name = socket.params.room;
    let room = this.#rooms.get(name);
    if (room === undefined) {
      room = { name, people: new Map(), changed: new Set(), said: [], strokes: [] };
      this.#rooms.set(name, room);
    }
    this.#emptyRooms.delete(room);
    socket.data.room = room;
    // A visitor may have several windows in a room.
    room.people.set(visitor, (room.people.get(visitor) ?? new Set()).add(socket));
    visitor.windows += 1;

    // Two topics: all who are in this room, and all windows of this visitor.
    socket.subscribe(`room:${name}`);
    socket.subscribe(`visitor:${visitor.id}`);
    const people = [...room.people.keys()].map((each) => personIn(room, each));
    socket.send(JSON.stringify({ type: 'room', people, said: room.said }));
    if (room.strokes.length > 0) socket.send(Buffer.concat(room.strokes));
    this.#tellSoon(visitor, [room]);
  }

  leave(socket) {
    const { visitor, room } = socket.data;
    visitor.windows -= 1;
    room.people.get(visitor).delete(socket);
    if (room.people.get(visitor).size === 0) room.people.delete(visitor);
    this.#tellSoon(visitor, [room]);
    if (room.people.size > 0) return;
    this.#emptyRooms.add(room);
    if (this.#emptyRooms.size <= MAX_EMPTY_ROOMS) return;
    const [oldest] = this.#emptyRooms;
    this.#emptyRooms.delete(oldest);
    this.#rooms.delete(oldest.name);
  }

  receive(socket, message) {
    if (typeof message !== 'string') {
      this.#draw(socket, message);
      return;
    }
    const { visitor, room } = socket.data;
    const order = parse(message);
    if (order?.type === 'say' && isText(order.text, 500)) {
      this.#say(socket, order.text.trim());
    } else if (order?.type === 'typing' && typeof order.isTyping === 'boolean') {
      socket.data.isTyping = order.isTyping;
      this.#tellSoon(visitor, [room]);
    } else if (order?.type === 'rename' && isText(order.name, 30)) {
      visitor.name = tidy(order.name);
      const rooms = [...this.#rooms.values()].filter(({ people }) => people.has(visitor));
      this.#tellSoon(visitor, rooms);
    } else if (order?.type === 'drop') {
      // As if the network had gone: no closing handshake, and the page sees 1006.
      socket.terminate();
    } else {
      socket.close(1008, 'not a message of this chat');
    }
  }

  #say(socket, text) {
    const { room, visitor } = socket.data;
    const said = { name: visitor.name, text, at: Date.now() };
    room.said.push(said);
    if (room.said.length > MAX_SAID) room.said.shift();
    this.#server.publish(`room:${room.name}`, JSON.stringify({ type: 'said', ...said }));
    socket.data.isTyping = false;
    this.#tellSoon(visitor, [room]);
  }

  #draw(socket, strokes) {
    if (strokes.length % STROKE_SIZE !== 0) {
      socket.close(1003, 'not strokes');
      return;
    }
    const { room } = socket.data;
    for (let at = 0; at < strokes.length; at += STROKE_SIZE) {
      room.strokes.push(strokes.subarray(at, at + STROKE_SIZE));
    }
    room.strokes.splice(0, room.strokes.length - MAX_STROKES);
    // To all in the room but this one, who has drawn them already.
    socket.publish(`room:${room.name}`, strokes);
  }

  /** What is new of this visitor: to all in these rooms, and to the visitor's own windows. */
  #tellSoon(visitor, rooms) {
    if (this.#changedVisitors.size === 0) setTimeout(() => this.#tell(), GATHERING_TIME);
    this.#changedVisitors.add(visitor);
    for (const room of rooms) room.changed.add(visitor);
  }

  #tell() {
    for (const { id, name, windows } of this.#changedVisitors) {
      this.#server.publish(`visitor:${id}`, JSON.stringify({ type: 'you', id, name, windows }));
    }
    this.#changedVisitors.clear();
    for (const room of this.#rooms.values()) {
      if (room.changed.size === 0) continue;
      const people = [...room.changed].map((visitor) => personIn(room, visitor));
      room.changed.clear();
      this.#server.publish(`room:${room.name}`, JSON.stringify({ type: 'people', people }));
    }
  }
}

function personIn(room, visitor) {
  const { id, name } = visitor;
  const windows = [...(room.people.get(visitor) ?? [])];
  const isTyping = windows.some(({ data }) => data.isTyping);
  return { id, name, isHere: windows.length > 0, isTyping };
}

function isText(value, maxLength) {
  return typeof value === 'string' && value.length <= maxLength && tidy(value) !== '';
}

/** The object in `text`, or undefined: what is no JSON is a mistake of the page, not of ours. */
function parse(text) {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}
