// The page: one WebSocket for the room that the address names (#lobby), made anew when it is lost.
import { Doodle } from './doodle.js';

const $ = (id) => document.getElementById(id);

const MAX_SAID = 200;

let socket = null;
let attempts = 0;
let retry = 0;
let typingTimer = 0;
let ownId = '';
// Sockets that were open: only of those it tells something that they were closed.
const opened = new WeakSet();

const doodle = new Doodle(
  $('doodle'),
  (strokes) => socket?.readyState === 1 && socket.send(strokes),
);

/** The room that the address names. What cannot be the name of one leads to the lobby. */
function room() {
  const [, name] = /^#([\p{L}\p{N} _-]{1,40})$/u.exec(decode(location.hash)) ?? [];
  return name ?? 'lobby';
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    // An address that somebody has typed: `#%`.
    return '';
  }
}

function show(state, text) {
  $('state').dataset.state = state;
  $('state').textContent = text;
  $('drop').disabled = state !== 'open';
  $('reconnect').disabled = state === 'open' || state === 'connecting';
}

/** Connects to the room, in place of the connection that is there. */
function connect() {
  clearTimeout(retry);
  const last = socket;
  socket = null;
  last?.close(1000, 'to another room');
  show('connecting', 'connecting');
  // A server that was started anew knows our cookie no more. Where it cannot be asked, the
  // connection fails as well, and is tried again.
  const ready = attempts > 0 ? fetch('/visitor').catch(() => {}) : Promise.resolve();
  void ready.then(openSocket);
}

function openSocket() {
  // Two attempts may have waited for their cookie: one is enough.
  if (socket !== null) return;
  const url = new URL(`/live/${encodeURIComponent(room())}`, location.href);
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
  // What was said and drawn so far comes now, and need not be read out again.
  $('said').ariaLive = 'off';
  $('said').replaceChildren();
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
    $('last').textContent = `It was closed with ${code}${reason === '' ? '' : `: ${reason}`}.`;
  }
  if (this !== socket) return;
  socket = null;
  attempts += 1;
  // Later each time, and not all pages at the same moment.
  const delay = Math.min(30_000, 500 * 2 ** attempts) * (0.5 + Math.random());
  show('lost', code === 1001 ? 'the server is going' : 'connection lost');
  retry = setTimeout(connect, delay);
}

const RECEIVE = {
  visits({ visits }) {
    $('visits').textContent = visits;
  },
  you({ id, name, windows }) {
    ownId = id;
    if (document.activeElement !== $('name')) $('name').value = name;
    $('windows').textContent =
      windows === 1 ? 'You have 1 window here.' : `You have ${windows} windows here.`;
  },
  room({ people }) {
    $('said').ariaLive = 'polite';
    $('people').textContent = people.map(({ name }) => name).join(', ');
    const typing = people
      .filter(({ id, isTyping }) => isTyping && id !== ownId)
      .map(({ name }) => name);
    const verb = typing.length === 1 ? 'is' : 'are';
    $('typing').textContent = typing.length === 0 ? '' : `${typing.join(', ')} ${verb} typing …`;
  },
  said({ name, text, at }) {
    const item = document.createElement('li');
    const who = document.createElement('strong');
    who.textContent = name;
    const when = document.createElement('time');
    when.textContent = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    const what = document.createElement('p');
    what.textContent = text;
    item.append(who, when, what);
    const list = $('said');
    // Who reads what was said before stays there.
    const isAtEnd = list.scrollTop + list.clientHeight > list.scrollHeight - 20;
    list.append(item);
    if (list.children.length > MAX_SAID) list.firstChild.remove();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  },
  goodbye() {
    show('going', 'the server is going');
  },
};

function send(order) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(order));
  return true;
}

function stopTyping() {
  clearTimeout(typingTimer);
  typingTimer = 0;
  send({ type: 'typing', isTyping: false });
}

$('hello').addEventListener('click', () => {
  void fetch('/hello');
});
$('drop').addEventListener('click', () => send({ type: 'drop' }));
$('reconnect').addEventListener('click', connect);
$('text').addEventListener('input', () => {
  if (typingTimer === 0) send({ type: 'typing', isTyping: true });
  clearTimeout(typingTimer);
  typingTimer = setTimeout(stopTyping, 2000);
});
$('say').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value;
  // What cannot be sent now stays where it is.
  if (text.trim() === '' || !send({ type: 'say', text })) return;
  $('text').value = '';
  clearTimeout(typingTimer);
  typingTimer = 0;
});
$('rename').addEventListener('submit', (event) => {
  event.preventDefault();
  if (send({ type: 'rename', name: $('name').value })) $('name').blur();
});

function enter() {
  $('room').textContent = room();
  for (const link of document.querySelectorAll('nav a')) {
    link.ariaCurrent = link.hash === `#${room()}` ? 'true' : null;
  }
  connect();
}
addEventListener('hashchange', enter);
enter();
