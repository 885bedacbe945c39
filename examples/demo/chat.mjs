// Rooms: who is here, who is typing, what was said, what was drawn. Texts are JSON with a `type`;
// bytes are strokes of the doodle, ten each (see page/doodle.js).

const MAX_SAID = 50;
const MAX_STROKES = 4000;
const STROKE_SIZE = 10;

export class Chat {
  #server;
  // By name; a room lives as long as somebody is in it.
  #rooms = new Map();

  constructor(server) {
    this.#server = server;
  }

  enter(socket) {
    const { visitor } = socket.data;
    const name = socket.params.room;
    let room = this.#rooms.get(name);
    if (room === undefined) {
      room = { name, sockets: new Set(), said: [], strokes: [] };
      this.#rooms.set(name, room);
    }
    socket.data.room = room;
    room.sockets.add(socket);
    visitor.windows += 1;

    // Two topics: all who are in this room, and all windows of this visitor.
    socket.subscribe(`room:${name}`);
    socket.subscribe(`visitor:${visitor.id}`);
    for (const said of room.said) socket.send(JSON.stringify(said));
    if (room.strokes.length > 0) socket.send(Buffer.concat(room.strokes));
    this.#tellVisitor(visitor);
    this.#tellRoom(room);
  }

  leave(socket) {
    const { visitor, room } = socket.data;
    visitor.windows -= 1;
    room.sockets.delete(socket);
    if (room.sockets.size === 0) this.#rooms.delete(room.name);
    this.#tellVisitor(visitor);
    this.#tellRoom(room);
  }

  receive(socket, message) {
    if (typeof message !== 'string') {
      this.#draw(socket, message);
      return;
    }
    const { data } = socket;
    const order = parse(message);
    if (order?.type === 'say' && isText(order.text, 500)) {
      this.#say(socket, order.text.trim());
    } else if (order?.type === 'typing' && typeof order.isTyping === 'boolean') {
      data.isTyping = order.isTyping;
      this.#tellRoom(data.room);
    } else if (order?.type === 'rename' && isText(order.name, 30)) {
      data.visitor.name = order.name.trim();
      this.#tellVisitor(data.visitor);
      for (const room of this.#rooms.values()) this.#tellRoom(room);
    } else if (order?.type === 'drop') {
      // As if the network had gone: no closing handshake, and the page sees 1006.
      socket.terminate();
    } else {
      socket.close(1008, 'not a message of this chat');
    }
  }

  #say(socket, text) {
    const { room, visitor } = socket.data;
    const said = { type: 'said', name: visitor.name, text, at: Date.now() };
    room.said.push(said);
    if (room.said.length > MAX_SAID) room.said.shift();
    socket.data.isTyping = false;
    this.#server.publish(`room:${room.name}`, JSON.stringify(said));
    this.#tellRoom(room);
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

  /** To every window of this visitor, wherever it is. */
  #tellVisitor({ id, name, windows }) {
    this.#server.publish(`visitor:${id}`, JSON.stringify({ type: 'you', id, name, windows }));
  }

  #tellRoom(room) {
    const people = new Map();
    for (const { data } of room.sockets) {
      const { id, name } = data.visitor;
      const isTyping = data.isTyping || people.get(id)?.isTyping === true;
      people.set(id, { id, name, isTyping });
    }
    const news = { type: 'room', people: [...people.values()] };
    this.#server.publish(`room:${room.name}`, JSON.stringify(news));
  }
}

function isText(value, maxLength) {
  return typeof value === 'string' && value.trim() !== '' && value.length <= maxLength;
}

/** The object in `text`, or undefined: what is no JSON is a mistake of the page, not of ours. */
function parse(text) {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}
