// Utterances with the words of every exit under those of the reference.

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  Object.entries(attributes || {}).forEach(([key, value]) => made.setAttribute(key, value));
  made.append(...children);
  return made;
}

function wordCell(cell, word, before) {
  const made = element("td");
  if (before) made.append(element("ins", { title: "inserted" }, before), " ");
  if (cell === 0) made.append(word);
  else if (cell === null) made.append(element("span", { class: "error gone", title: `deleted: ${word}` }, "\u2013"));
  else made.append(element("span", { class: "error", title: `instead of ${word}` }, cell));
  return made;
}

function exitRow(set, example, index, stop, policy) {
  const { words, more = {} } = example.exits[index];
  const name = `${set.layers[index]}${index === stop ? " \u25C0 stops" : ""}`;
  const cells = words.map((cell, place) => wordCell(cell, example.reference[place], more[place]));
  const tail = element("td");
  if (more[words.length]) tail.append(element("ins", { title: "inserted" }, more[words.length]));
  return element("tr", index === stop ? { class: "stop" } : {}, element("th", { scope: "row" }, name),
    element("td", { class: "number" }, example.scores[policy][index]),
    element("td", { class: "number" }, String(example.errors[index])), ...cells, tail);
}

function exampleCard(set, example, stop, policy) {
  const head = element("thead", {}, element("tr", {}, ...["layer", "score", "errors"].map((text) => element("th", { scope: "col" }, text)),
    ...example.reference.map((word) => element("th", { scope: "col" }, word)), element("th")));
  const body = element("tbody", {}, ...set.layers.map((_, index) => exitRow(set, example, index, stop, policy)));
  const card = element("article", { class: "example" }, element("h3", {}, example.id),
    element("div", { class: "soft" }, `${example.speaker === null ? "" : `speaker ${example.speaker}, `}${example.seconds} s`));
  if (example.audio) card.append(element("audio", { controls: "", preload: "none", src: example.audio, "aria-label": `audio of ${example.id}` }));
  card.append(element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `texts of ${example.id}` },
    element("table", {}, head, body)));
  return card;
}

// Those that stop too early here, and hold what is looked for; most excess errors first.
function wrongExamples(set, policy, place, wanted) {
  const last = set.layers.length - 1;
  return set.examples
    .map((example) => ({ example, stop: example.stops[policy][place] }))
    .filter(({ example, stop }) => example.errors[stop] > example.errors[last])
    .filter(({ example }) => !wanted || [example.id, example.speaker || "", example.reference.join(" ")]
      .some((text) => text.toLowerCase().includes(wanted)))
    .sort((one, two) => (two.example.errors[two.stop] - two.example.errors[last]) - (one.example.errors[one.stop] - one.example.errors[last]));
}
