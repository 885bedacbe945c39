// What of all there is was asked for.

/** The names that hold one of these parts: all, where none is given. */
export function holding(names, parts) {
  return names.filter(
    (name) => parts === '' || parts.split(',').some((part) => name.includes(part)),
  );
}

/** The names among these: all, where none is given. */
export function among(names, wanted) {
  return names.filter((name) => wanted === '' || wanted.split(',').includes(name));
}
