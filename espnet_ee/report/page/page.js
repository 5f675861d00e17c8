// What the reader selected, and everything that follows from it.

const SETS = JSON.parse(document.getElementById("data").textContent);
const AT_ONCE = 10;  // utterances
const TITLES = ["threshold", "WER %", "95 % interval", "CER %", "mix of fixed exits at this cost, %", "mean layer",
  "mean exit", "GFLOPs per second of audio", "utterances per exit"];  // as espnet-ee sweep prints them
const state = { set: 0, policy: "", place: 0, axis: "cost", shown: AT_ONCE };
const views = {};
const by = (id) => document.getElementById(id);
const current = () => SETS[state.set];
const policyNow = () => current().policies[state.policy];

function option(value, text) { return element("option", { value }, text); }

async function embed(id, spec) {
  if (views[id]) views[id].finalize();
  delete views[id];
  views[id] = (await vegaEmbed(by(id), spec, OPTIONS)).view;
}

function numbers(point) {
  const cells = point.cells.slice(2);
  const pairs = TITLES.map((title, place) => [title, cells[place]]);
  pairs.push(["of the last exit's cost", `${(100 * point.cost / current().lastCost).toFixed(0)} %`]);
  if (point.rtf !== undefined) pairs.push(["measured seconds per second of audio", String(point.rtf)]);
  return pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", { "data-name": name }, value)]);
}

function showCounts(point) {
  const bars = current().layers.map((layer, index) => ({ layer, count: point.counts[index] }));
  if (views["histogram-chart"]) views["histogram-chart"].data("counts", bars).run();
}

function showThreshold() {
  const policy = policyNow();
  showCounts(policy ? policy.points[state.place] : current().fixed[0]);
  if (!policy) {
    by("numbers").replaceChildren();
    by("threshold").textContent = "";
    return;
  }
  const point = policy.points[state.place];
  by("threshold").textContent = point.cells[2];
  by("slider").value = state.place;
  by("slider").setAttribute("aria-valuetext", `${point.cells[2]}, WER ${point.cells[3]} %`);
  by("numbers").replaceChildren(...numbers(point));
  document.querySelectorAll("#chosen button").forEach((button) =>
    button.setAttribute("aria-pressed", String(Number(button.dataset.place) === state.place)));
  if (views["wer-chart"]) views["wer-chart"].data("now", [point]).run();
  showExamples();
  history.replaceState(null, "", `#${new URLSearchParams({ set: current().name, policy: state.policy, threshold: point.cells[2] })}`);
}

function showExamples() {
  const set = current(), point = policyNow().points[state.place];
  const found = wrongExamples(set, state.policy, state.place, by("find").value.trim().toLowerCase());
  const unlisted = set.worse > set.examples.length ? ` The page holds the ${set.examples.length} worst of all ${set.worse} that some exit gets wrong.` : "";
  by("wrong-count").textContent = `${point.bad} of ${set.utterances} utterances stop with more word errors than the last exit has.${unlisted}`;
  by("examples").replaceChildren(...found.slice(0, state.shown).map(({ example, stop }) => exampleCard(set, example, stop, state.policy)));
  by("more").hidden = found.length <= state.shown;
}

async function showPolicy() {
  const set = current(), policy = policyNow();
  by("unit").textContent = policy ? `(${policy.unit})` : "";
  by("slider").disabled = !policy;
  by("slider").max = policy ? policy.points.length - 1 : 0;
  by("chosen").hidden = !policy;
  by("chosen").replaceChildren(`Chosen on ${set.chosenOn} for at most so many WER points over the last exit: `, ...(policy ? policy.chosen : [])
    .map(([target, place]) => {
      const button = element("button", { type: "button", "data-place": place }, target);
      button.addEventListener("click", () => { state.place = place; showThreshold(); });
      return button;
    }));
  await embed("wer-chart", werChart(set, state.policy, state.axis, state.place));
  await showCalibration();
  showThreshold();
}

async function showCalibration() {
  const found = policyNow() ? policyNow().calibration : "A model with one exit has nothing to promise.";
  const panels = typeof found === "string" ? [] : found.filter((panel) => panel.bins.length);
  if (!panels.length) {
    if (views["calibration-chart"]) views["calibration-chart"].finalize();
    delete views["calibration-chart"];
    by("calibration-chart").replaceChildren(element("p", {}, typeof found === "string" ? found : "No exit has a score."));
    return;
  }
  const room = by("calibration-chart").clientWidth;
  await embed("calibration-chart", calibrationChart(panels, Math.max(1, Math.min(panels.length, Math.floor(room / 230)))));
}

async function showSet() {
  const set = current(), names = Object.keys(set.policies);
  document.querySelectorAll("section.set").forEach((section) => { section.hidden = section.dataset.set !== set.name; });
  const timed = set.fixed[0].rtf !== undefined;
  by("axis-label").hidden = !timed;
  if (!timed) state.axis = by("axis").value = "cost";
  by("policy").replaceChildren(...names.map((name) => option(name, name)));
  if (!names.includes(state.policy)) state.policy = names[0] || "";
  by("policy").value = state.policy;
  by("wrong").hidden = !names.length;
  await embed("histogram-chart", histogramChart(set));
  startPlace();
  await showPolicy();
}

function startPlace() {  // where dev chose to be as good as the last exit
  state.place = policyNow() ? policyNow().chosen[0][1] : 0;
  state.shown = AT_ONCE;
}

function fromAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const set = SETS.findIndex((one) => one.name === wanted.get("set"));
  if (set >= 0) state.set = set;
  if (current().policies[wanted.get("policy")]) state.policy = wanted.get("policy");
  return wanted.get("threshold");
}

async function start() {
  const threshold = fromAddress();
  by("set").append(...SETS.map((set, index) => option(index, set.name)));
  by("set").value = state.set;
    await showSet();
  const place = policyNow() ? policyNow().points.findIndex((point) => point.cells[2] === threshold) : -1;
  if (place >= 0) { state.place = place; showThreshold(); }
  by("set").addEventListener("change", () => { state.set = Number(by("set").value); showSet(); });
  by("policy").addEventListener("change", () => { state.policy = by("policy").value; startPlace(); showPolicy(); });
  by("axis").addEventListener("change", () => { state.axis = by("axis").value; showPolicy(); });
  by("slider").addEventListener("input", () => { state.place = Number(by("slider").value); state.shown = AT_ONCE; showThreshold(); });
  by("find").addEventListener("input", () => { state.shown = AT_ONCE; if (policyNow()) showExamples(); });
  by("more").addEventListener("click", () => { state.shown += AT_ONCE; showExamples(); });
  document.body.dataset.ready = "true";  // for tests
}

start();
