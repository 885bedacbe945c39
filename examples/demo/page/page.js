// The page: one WebSocket for the room that the address names (#lobby), made anew when it is lost.
import { Doodle } from './doodle.js';
import { isRoom, tidy } from './rules.js';
import { $, note, showHistory, showPeople, showSaid } from './view.js';

const MEANINGS = {
  1000: 'it was not needed any more',
  1001: 'the server has stopped',
  1006: 'the connection broke off',
  1008: 'the server did not like a message',
  1009: 'a message was too long',
  1011: 'the server has made a mistake',
  1013: 'the page was too slow for the server',
};

let socket = null;
let attempts = 0;
let retry = 0;
let retryAt = 0;
let typingTimer = 0;
let you = { id: '', name: '', windows: 0 };
let lost = 'no connection';
let lastRoom = '';
// Who is here, by id.
const people = new Map();
// What was begun to be written, by room.
const drafts = new Map();
// Sockets that were open: only of those it tells something that they were closed.
const opened = new WeakSet();

const doodle = new Doodle($('doodle'), mayDraw, (strokes) => isOpen() && socket.send(strokes));

function isOpen() {
  return socket?.readyState === WebSocket.OPEN;
}

function mayDraw() {
  if (!isOpen()) note('There is no connection: nobody would see it.');
  return isOpen();
}

function decode(text) {
  try {
    return decodeURIComponent(text).normalize();
  } catch {
    // An address that somebody has typed: `#%`.
    return text;
  }
}

function show(state, text) {
  $('state').dataset.state = state;
  $('state').textContent = text;
  // Not `disabled`, which would take the focus from the button that was pressed.
  $('drop').ariaDisabled = state !== 'open';
  $('reconnect').ariaDisabled = state === 'open' || state === 'connecting';
}

/** Connects to the room, in place of the connection that is there. */
function connect() {
  clearTimeout(retry);
  retryAt = 0;
  showNext();
  const last = socket;
  socket = null;
  last?.close(1000, 'to another room');
  // Why the last one was lost is shown until there is another.
  if (attempts === 0) show('connecting', 'connecting');
  // A server that was started anew knows our cookie no more. Where it cannot be asked, the
  // connection fails as well, and is tried again.
  const ready = attempts > 0 ? fetch('/visitor').catch(() => {}) : Promise.resolve();
  void ready.then(openSocket);
}

function openSocket() {
  // Two attempts may have waited for their cookie: one is enough.
  if (socket !== null) return;
  const url = new URL(`/live/${encodeURIComponent(lastRoom)}`, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('open', onOpen);
  socket.addEventListener('message', onMessage);
  socket.addEventListener('close', onClose);
}

function onOpen() {
  if (this !== socket) return;
  attempts = 0;
  opened.add(this);
  show('open', 'connected');
  showNext();
  // What was drawn so far comes now.
  doodle.clear();
}

function onMessage({ data }) {
  if (this !== socket) return;
  if (typeof data === 'string') {
    const news = JSON.parse(data);
    RECEIVE[news.type](news);
  } else {
    doodle.draw(data);
  }
}

function onClose({ code, reason }) {
  if (opened.has(this)) {
    lost = code === 1001 ? 'server stopped' : 'connection lost';
    const why = MEANINGS[code] ?? 'a code that this page does not know';
    $('last').textContent = `It was closed with ${code}: ${why}${reason && ` (${reason})`}.`;
  }
  if (this !== socket) return;
  socket = null;
  attempts += 1;
  // Later each time, and not all pages at the same moment.
  const delay = Math.min(30_000, 500 * 2 ** attempts) * (0.5 + Math.random());
  retry = setTimeout(connect, delay);
  retryAt = Date.now() + delay;
  show('lost', lost);
  showNext();
  people.clear();
  showPeople([], you);
  $('windows').textContent = '– windows';
}

function showNext() {
  const seconds = Math.ceil((retryAt - Date.now()) / 1000);
  const text = seconds > 0 ? `The next attempt is in ${seconds} s.` : 'Trying again …';
  $('next').textContent = attempts === 0 ? '' : text;
}

const RECEIVE = {
  visits({ visits }) {
    $('visits').textContent = visits;
  },
  you(news) {
    // A new name that is being written stays.
    if ($('name').value === you.name) $('name').value = news.name;
    you = news;
    $('you').textContent = you.name;
    $('windows').textContent = you.windows === 1 ? '1 window' : `${you.windows} windows`;
    showPeople([...people.values()], you);
  },
  room({ people: all, said }) {
    people.clear();
    RECEIVE.people({ people: all });
    showHistory(said);
  },
  people({ people: changed }) {
    for (const person of changed) {
      if (person.isHere) people.set(person.id, person);
      else people.delete(person.id);
    }
    showPeople([...people.values()], you);
  },
  said: showSaid,
  goodbye() {
    show('going', 'server stopping');
  },
};

function send(order) {
  if (isOpen()) socket.send(JSON.stringify(order));
  return isOpen();
}

function stopTyping() {
  clearTimeout(typingTimer);
  typingTimer = 0;
  send({ type: 'typing', isTyping: false });
}

$('hello').addEventListener('click', () => {
  fetch('/hello').catch(() => note('The server does not answer.'));
});
$('drop').addEventListener('click', () => send({ type: 'drop' }));
$('reconnect').addEventListener('click', () => {
  if ($('reconnect').ariaDisabled !== 'true') connect();
});
$('text').addEventListener('input', () => {
  if (typingTimer === 0) send({ type: 'typing', isTyping: true });
  clearTimeout(typingTimer);
  typingTimer = setTimeout(stopTyping, 2000);
});
$('say').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value;
  if (tidy(text) === '') return;
  if (!send({ type: 'say', text })) {
    note('Not sent, since there is no connection. Your text stays where it is.');
    return;
  }
  $('text').value = '';
  clearTimeout(typingTimer);
  typingTimer = 0;
});
$('rename').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = $('name').value;
  if (tidy(name) === '') note('A name needs something that can be seen.');
  else if (send({ type: 'rename', name })) you.name = name;
  else note('Not renamed, since there is no connection.');
});

/** Goes to the room that the address names. What cannot be the name of one leads to the lobby. */
function enter() {
  const name = decode(location.hash.slice(1));
  const room = isRoom(name) ? name : 'lobby';
  $('no-room').textContent =
    name === room || name === ''
      ? ''
      : 'That is no name of a room, so this is the lobby. Take letters and digits, 40 at most.';
  $('room').textContent = room;
  $('second').hash = room;
  for (const link of document.querySelectorAll('nav a')) {
    link.ariaCurrent = link.hash === `#${room}` ? 'true' : null;
  }
  stopTyping();
  drafts.set(lastRoom, $('text').value);
  lastRoom = room;
  $('text').value = drafts.get(room) ?? '';
  connect();
}

addEventListener('hashchange', enter);
setInterval(showNext, 1000);
enter();
