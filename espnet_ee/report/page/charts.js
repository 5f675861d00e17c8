"use strict";
// Charts as Vega-Lite specifications. Marks differ in shape, width and dashes, not in colour alone.

const INK = "#222222", MARK = "#0072B2", CHOSEN = "#E69F00", STAR = "#F0C000", SOFT = "#8A8A8A";
const STAR_SHAPE = "M0,-1L.23,-.31L.95,-.31L.36,.12L.59,.81L0,.38L-.59,.81L-.36,.12L-.95,-.31L-.23,-.31Z";
const OPTIONS = { renderer: "svg", actions: { export: true, source: false, compiled: false, editor: false } };
const CONFIG = { font: "system-ui, 'Segoe UI', 'Liberation Sans', sans-serif", view: { stroke: null },
  axis: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal", gridColor: "#E8E8E8" } };

function mixLine(set) {  // sampled: a straight line bends on a logarithmic axis
  const last = set.fixed.reduce((most, point) => Math.max(most, point.cost), 0);
  const hull = [...set.mix, [Math.max(last, set.mix[set.mix.length - 1][0]), set.mix[set.mix.length - 1][1]]];
  const line = [];
  for (let part = 1; part < hull.length; part += 1) {
    for (let step = 0; step <= 20; step += 1) {
      const share = step / 20, [left, right] = [hull[part - 1], hull[part]];
      line.push({ cost: left[0] + share * (right[0] - left[0]), wer: left[1] + share * (right[1] - left[1]) });
    }
  }
  return line;
}

function werScale(set) {
  const all = [...set.fixed, set.oracle, ...Object.values(set.policies).flatMap((policy) => policy.points)];
  return all.every((point) => point.wer > 0) ? { type: "log", nice: false, padding: 12 } : { type: "linear", zero: true };
}

function werChart(set, policyName, axis, place) {
  const policy = set.policies[policyName];
  const x = { field: axis, type: "quantitative", scale: { zero: true, nice: false, padding: 8 }, axis: { tickCount: 6 },
    title: axis === "rtf" ? "seconds of computing per second of audio" : "GFLOPs per second of audio" };
  const y = { field: "wer", type: "quantitative", scale: werScale(set), axis: { tickCount: 6, format: "~g" },
    title: `WER, %${werScale(set).type === "log" ? " (logarithmic)" : ""}` };
  const lines = Object.entries(set.policies).flatMap(([name, one]) => one.points.map((point) => ({ ...point, name })));
  const tooltip = [{ field: axis, type: "quantitative", title: x.title, format: ".4g" },
    { field: "wer", type: "quantitative", title: "WER, %", format: ".2f" }];
  const layer = [];
  if (axis === "cost" && set.floor !== null) {
    layer.push({ data: { values: [{ start: 0, end: set.floor }] }, mark: { type: "rect", color: "#ECECEC" },
      encoding: { x: { ...x, field: "start" }, x2: { field: "end" } } });
  }
  if (policy) layer.push({ data: { values: lines }, mark: { type: "line", color: SOFT, strokeWidth: 1, opacity: 0.5 },
    encoding: { x, y, detail: { field: "name", type: "nominal" }, order: { field: axis, type: "quantitative" } } });
  if (axis === "cost") {
    layer.push({ data: { values: mixLine(set) }, mark: { type: "line", color: INK, strokeWidth: 1.4, strokeDash: [6, 4] },
      encoding: { x, y, order: { field: "cost", type: "quantitative" } } });
  }
  const chosen = policy ? policy.chosen.map(([target, place]) => ({ ...policy.points[place], target })) : [];
  if (policy) layer.push({ data: { values: policy.points }, mark: { type: "line", color: MARK, strokeWidth: 3.2 },
    encoding: { x, y, order: { field: axis, type: "quantitative" } } });
  layer.push(
    { data: { values: set.fixed }, mark: { type: "point", filled: true, color: INK, opacity: 1, size: 60 }, encoding: { x, y, tooltip } },
    { data: { values: set.fixed }, mark: { type: "text", dy: -12, fontSize: 13, fontWeight: "bold", stroke: "white", strokeWidth: 4 },
      encoding: { x, y, text: { field: "layer", type: "nominal" } } },
    { data: { values: set.fixed }, mark: { type: "text", dy: -12, fontSize: 13, fontWeight: "bold", color: INK },
      encoding: { x, y, text: { field: "layer", type: "nominal" } } },
    ...(policy ? [{ data: { values: chosen }, mark: { type: "point", shape: "diamond", filled: true, color: CHOSEN, stroke: INK, opacity: 1, size: 130 },
      encoding: { x, y, tooltip: [{ field: "target", type: "nominal", title: "chosen for WER points over the last exit" }, ...tooltip] } }] : []));
  if (set.fixed.length > 1) {
    layer.push({ data: { values: [set.oracle] }, mark: { type: "point", shape: STAR_SHAPE, filled: true, color: STAR, stroke: INK, opacity: 1, size: 130 },
      encoding: { x, y, tooltip } });
  }
  layer.push({ data: { name: "now", values: policy ? [policy.points[place]] : [set.fixed[0]] }, mark: { type: "point", color: INK, filled: false, strokeWidth: 3, opacity: 1, size: 260 },
    encoding: { x, y } });
  return { width: "container", height: 400, autosize: { type: "fit-x", contains: "padding" }, config: CONFIG, layer,
    description: `WER against cost on ${set.name}` };
}

function histogramChart(set) {
  const y = { field: "layer", type: "ordinal", sort: null, title: "layer" };
  const x = { field: "count", type: "quantitative", title: "utterances", scale: { domain: [0, set.utterances] }, axis: { tickCount: 4 } };
  return { width: "container", height: 26 * set.layers.length, autosize: { type: "fit-x", contains: "padding" }, config: CONFIG,
    data: { name: "counts", values: set.layers.map((layer) => ({ layer, count: 0 })) }, description: "Utterances per exit",
    layer: [{ mark: { type: "bar", color: MARK }, encoding: { y, x } },
      { mark: { type: "text", align: "left", dx: 4, fontSize: 12 }, encoding: { y, x, text: { field: "count", type: "quantitative" } } }] };
}

function calibrationChart(panels, columns) {
  const titles = panels.map(({ layer, error }) => `layer ${layer}: calibration error ${error.toFixed(3)}`);
  const values = panels.flatMap(({ bins }, index) => bins.map(([promised, kept, low, high]) => ({
    promised, kept, low, high, panel: titles[index] })));
  const unit = { scale: { domain: [0, 1] }, axis: { values: [0, 0.5, 1] } };
  const x = { field: "promised", type: "quantitative", title: "promised", ...unit };
  const y = { field: "kept", type: "quantitative", title: "kept", ...unit };
  return { data: { values }, columns, config: CONFIG, description: "Promised and kept probabilities",
    facet: { field: "panel", type: "nominal", sort: titles, title: null, header: { labelFontSize: 12 } },
    spec: { width: 150, height: 150, layer: [
      { mark: { type: "rule", color: SOFT, strokeDash: [4, 3] }, encoding: {
        x: { datum: 0, type: "quantitative" }, y: { datum: 0, type: "quantitative" }, x2: { datum: 1 }, y2: { datum: 1 } } },
      { mark: { type: "rule", color: MARK, strokeWidth: 1.5 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } } },
      { mark: { type: "line", color: MARK, strokeWidth: 1, point: { color: MARK, size: 35 } }, encoding: { x, y } }] } };
}
