// Explorer: the draws of one parameter, chain by chain, or of two against each other (uPlot).
{
  const HEIGHT = 230, BINS = 20, POINTS = 160;
  const RED = "#a30000", GREY = "#767676";
  const short = (value) => (value == null ? "" : Number(value.toPrecision(4)).toString());
  const range = (n) => Array.from({ length: n }, (_, i) => i);
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const nothing = () => null; // a path that is not drawn: points alone

  class Draws {
    constructor(content) {
      Object.assign(this, content);
      this.names = this.groups.flatMap(([, names]) => names);
      this.values16 = new Uint16Array(bytesOf(this.values).buffer);
      this.divergent16 = new Uint16Array(bytesOf(this.divergent).buffer);
      this.acf8 = new Int8Array(bytesOf(this.acf).buffer);
      this.n_divergent = this.divergent16.length / this.names.length;
    }
    unscaled(whole, p) {
      const [low, high] = this.scales[p];
      return Array.from(whole, (q) => low + (q / 65535) * (high - low));
    }
    of(p) { // by chain
      const n = this.kept.length;
      return range(this.chains).map((c) => {
        const start = (p * this.chains + c) * n;
        return this.unscaled(this.values16.subarray(start, start + n), p);
      });
    }
    divergentOf(p) {
      const n = this.n_divergent;
      return this.unscaled(this.divergent16.subarray(p * n, (p + 1) * n), p);
    }
    autocorrelation(p) {
      return range(this.chains).map((c) => {
        const start = (p * this.chains + c) * this.lags;
        return Array.from(this.acf8.subarray(start, start + this.lags), (r) => r / 127);
      });
    }
  }

  function runningMean(values) {
    let total = 0;
    return values.map((value, i) => (total += value) / (i + 1));
  }

  function rankCounts(chains) { // of each chain's draws in equal bins of the ranks of all
    const all = chains.flatMap((values, c) => values.map((value) => [value, c]));
    all.sort(([a], [b]) => a - b);
    const counts = chains.map(() => new Array(BINS).fill(0));
    all.forEach(([, c], rank) => counts[c][Math.floor((rank * BINS) / all.length)]++);
    return counts;
  }

  function density(values, grid) { // Gaussian kernel, Silverman's bandwidth
    const n = values.length, mean = sum(values) / n;
    const ordered = [...values].sort((a, b) => a - b);
    const quartile = (q) => ordered[Math.min(n - 1, Math.floor(q * n))];
    const sd = Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / n);
    const spread = Math.min(sd, (quartile(0.75) - quartile(0.25)) / 1.34) || sd || 1;
    const h = 0.9 * spread * n ** -0.2;
    const at = (x) => sum(values.map((value) => Math.exp(-0.5 * ((x - value) / h) ** 2)));
    return grid.map((x) => at(x) / (n * h * Math.sqrt(2 * Math.PI)));
  }

  function chart(place, title, said, axes, series, data, x = {}) {
    const box = element("div", { className: "chart" }, element("h4", { textContent: title }));
    const canvas = element("div");
    box.append(canvas, element("p", { textContent: said }));
    place.append(box);
    const plot = new uPlot(
      {
        width: Math.max(canvas.clientWidth, 240),
        height: HEIGHT,
        scales: { x: { time: false, ...x } },
        axes: axes.map((label, i) => ({
          label, labelSize: 22, size: i ? 58 : 34, font: "12px system-ui", labelFont: "12px system-ui",
          values: (_, ticks) => ticks.map(short),
        })),
        series: [{ label: axes[0], value: (_, value) => short(value) }, ...series],
        cursor: { drag: { x: true, y: true, uni: 20 } },
      },
      data,
      canvas,
    );
    new ResizeObserver(() => {
      const width = Math.max(canvas.clientWidth, 240);
      if (Math.abs(width - plot.width) > 2) plot.setSize({ width, height: HEIGHT });
    }).observe(canvas);
  }

  const line = (label, stroke, more = {}) => ({
    label, stroke, width: 1.2, points: { show: false }, value: (_, value) => short(value), ...more,
  });
  const dots = (label, fill, size) => ({
    label, stroke: fill, paths: nothing, value: (_, value) => short(value),
    points: { show: true, size, fill, stroke: fill, width: 0 },
  });
  const steps = uPlot.paths.stepped({ align: 1 });

  class Explorer {
    constructor(root, draws) {
      this.draws = draws;
      this.lines = range(draws.chains).map((c) =>
        line(draws.independent ? "draws" : `chain ${c + 1}`, draws.colours[c % draws.colours.length]));
      this.charts = element("div", { className: "charts" });
      this.pair = element("div", { className: "charts pair" });
      const first = this.list("Parameter", 0);
      const second = this.list("against", -1);
      const choose = element("div", { className: "choose" }, first.label, second.label);
      root.append(choose, this.pair, this.charts);
      first.select.addEventListener("change", () => this.show(first.select, second.select));
      second.select.addEventListener("change", () => this.showPair(first.select, second.select));
      this.show(first.select, second.select);
    }

    list(title, chosen) { // a list of all parameters, which a word narrows
      const select = element("select", { size: 8 });
      const input = element("input", { type: "search", placeholder: "search" });
      input.setAttribute("aria-label", `search: ${title}`);
      const fill = () => {
        const sought = input.value.trim().toLowerCase(), value = select.value;
        let p = 0;
        select.replaceChildren(...this.draws.groups.map(([label, names]) => {
          const options = names.map((name) => new Option(name, p++));
          const found = options.filter((one) => one.text.toLowerCase().includes(sought));
          return found.length ? element("optgroup", { label }, ...found) : "";
        }));
        select.value = value;
      };
      fill();
      select.value = chosen < 0 ? "" : String(chosen);
      input.addEventListener("input", fill);
      const label = element("div", {}, element("label", {}, title, select), input);
      return { label, select };
    }

    show(first, second) {
      if (first.value === "") return;
      const p = Number(first.value), name = this.draws.names[p], chains = this.draws.of(p);
      this.charts.replaceChildren();
      if (!this.draws.independent) this.drawTrace(name, chains);
      this.drawDensity(name, chains);
      if (!this.draws.independent) {
        this.drawRanks(chains);
        this.drawAutocorrelation(p);
        this.drawMean(name, chains);
      }
      this.showPair(first, second);
    }

    drawTrace(name, chains) {
      chart(this.charts, "Trace", "Draws in their order: chains that agree lie on each other.",
        ["draw", name], this.lines.map((one) => ({ ...one, width: 0.7 })), [this.draws.kept, ...chains]);
    }

    drawDensity(name, chains) {
      const all = chains.flat(), low = Math.min(...all), high = Math.max(...all);
      const room = 0.1 * (high - low) || 1;
      const grid = range(POINTS).map((i) => low - room + (i / (POINTS - 1)) * (high - low + 2 * room));
      chart(this.charts, "Density", "The posterior by chain, smoothed.", [name, "density"],
        this.lines, [grid, ...chains.map((values) => density(values, grid))]);
    }

    drawRanks(chains) {
      const edges = range(BINS + 1).map((i) => i / BINS);
      const closed = (values) => [...values, values.at(-1)];
      const expected = new Array(BINS + 1).fill(chains[0].length / BINS);
      chart(this.charts, "Ranks", "How often a chain's draws have each rank among all: level where chains agree.",
        ["rank among all chains' draws", "draws"],
        [...this.lines.map((one) => ({ ...one, paths: steps })), line("expected", GREY, { dash: [6, 4] })],
        [edges, ...rankCounts(chains).map(closed), expected]);
    }

    drawAutocorrelation(p) {
      chart(this.charts, "Autocorrelation", "Of all draws: the sooner it falls to 0, the more a draw is worth.",
        ["lag", "correlation"], this.lines, [range(this.draws.lags), ...this.draws.autocorrelation(p)]);
    }

    drawMean(name, chains) {
      chart(this.charts, "Running mean", "The mean of the draws so far: it settles, in all chains at the same value.",
        ["draw", name], this.lines, [this.draws.kept, ...chains.map(runningMean)]);
    }

    showPair(first, second) {
      this.pair.replaceChildren();
      if (first.value === "" || second.value === "") return;
      const [p, q] = [Number(first.value), Number(second.value)], { names, colours } = this.draws;
      const clouds = [[this.draws.of(p).flat(), this.draws.of(q).flat()],
        [this.draws.divergentOf(p), this.draws.divergentOf(q)]];
      const points = clouds.flatMap(([xs, ys], cloud) => xs.map((x, i) => [x, ys[i], cloud]));
      points.sort(([a], [b]) => a - b);
      const column = (cloud) => points.map((point) => (point[2] === cloud ? point[1] : null));
      const n = this.draws.n_divergent;
      const series = [dots("draws", `${colours[0]}88`, 4)];
      if (n) series.push(dots(`divergent (${n})`, RED, 7));
      const said = this.draws.pair_said;
      chart(this.pair, `${names[q]} against ${names[p]}`, said, [names[p], names[q]], series,
        [points.map(([x]) => x), column(0), ...(n ? [column(1)] : [])]);
    }
  }

  function drawEnergy(root, energy) {
    chart(root, "Energy", "Energies about their mean, and steps from draw to draw: much narrower steps mean that "
      + "the sampler is slow to reach the tails.", ["energy", "density"],
      [line("marginal energy", "#0072B2", { fill: "#0072B233", paths: steps }),
        line("energy transitions", "#D55E00", { fill: "#D55E0033", paths: steps })],
      [energy.edges, energy.marginal, energy.steps]);
  }

  const root = document.getElementById("explorer");
  if (root) {
    unpack(root.querySelector("script").textContent).then((content) => {
      const draws = new Draws(content);
      new Explorer(root, draws);
      const place = document.getElementById("energy");
      if (place && draws.energy) drawEnergy(place, draws.energy);
      root.dataset.ready = "yes";
    });
  }
}
