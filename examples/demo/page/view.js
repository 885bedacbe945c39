// What the page shows of others: who is here, who is typing, what was said. It knows no connection.

const MAX_SAID = 200;

export const $ = (id) => document.getElementById(id);

let noteTimer = 0;

/** Says for a while what could not be done. */
export function note(text) {
  clearTimeout(noteTimer);
  $('note').textContent = text;
  noteTimer = setTimeout(() => ($('note').textContent = ''), 6000);
}

/** Shows who is here, and who of them is typing, as `you` see them. */
export function showPeople(people, you) {
  $('people').textContent = list(people, 30) || '–';
  $('alone').hidden = people.length !== 1 || you.windows !== 1;
  const typing = people.filter(({ id, isTyping }) => isTyping && id !== you.id);
  const verb = typing.length === 1 ? 'is' : 'are';
  $('typing').textContent = typing.length === 0 ? '' : `${list(typing, 3)} ${verb} typing …`;
}

/** The first names, and how many there are beside. */
function list(people, max) {
  const names = people.slice(0, max).map(({ name }) => name);
  const rest = people.length - max;
  return names.join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** Shows what was said so far, in place of what is shown. It is not read out. */
export function showHistory(history) {
  $('said').ariaLive = 'off';
  $('said').replaceChildren(...history.map(lineOf));
  $('said').scrollTop = $('said').scrollHeight;
}

export function showSaid(said) {
  const box = $('said');
  box.ariaLive = 'polite';
  // Who reads what was said before stays there.
  const isAtEnd = box.scrollTop + box.clientHeight > box.scrollHeight - 20;
  box.append(lineOf(said));
  if (box.children.length > MAX_SAID) box.firstChild.remove();
  if (isAtEnd) box.scrollTop = box.scrollHeight;
}

function lineOf({ name, text, at }) {
  const line = document.createElement('li');
  const who = document.createElement('strong');
  who.textContent = name;
  const when = document.createElement('time');
  when.textContent = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  const what = document.createElement('p');
  what.textContent = text;
  line.append(who, when, what);
  return line;
}
