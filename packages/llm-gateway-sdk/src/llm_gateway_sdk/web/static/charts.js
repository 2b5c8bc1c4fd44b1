// Charts by uPlot. The figures are in the page as JSON; words and links come from the table below each chart, so that what
// a pointer shows and what a click opens are what the table has.
//
// Pointer: hover reads, click opens what the point counts, dragging chooses a span. Keys: arrows read, Shift and arrows
// choose a span, Enter opens, Escape leaves. The names above a chart switch its series on and off; with Ctrl, Shift or a
// double click one is shown alone. A reload keeps the choice for the tab.
(() => {
  const FONT = "12px system-ui, sans-serif";
  const LEAST_HEIGHT = 1.5;
  const NEAR = 16;
  const MICROSECONDS = [1, 1e3, 1e6].flatMap((unit) => [1, 2, 5, 10, 20, 50, 100, 200, 500].map((each) => unit * each))
    .filter((each) => each < 1e6)
    .concat([1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400].map((each) => each * 1e6));
  const WHOLE = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((each) => each * 10 ** power)).flat();

  const trimmed = (value) => String(Number(value.toPrecision(4)));
  const scaled = (value, steps) => {
    const [size, unit] = steps.find(([each]) => Math.abs(value) >= each) ?? steps[steps.length - 1];
    return `${trimmed(value / size)}${unit}`;
  };
  const words = {
    count: (value) => scaled(value, [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]]),
    duration: (value) => (value ? scaled(value, [[60e6, " min"], [1e6, " s"], [1e3, " ms"], [1, " µs"]]) : "0"),
    money: (value) => `$${scaled(value, [[1e6, "M"], [1e3, "k"], [1, ""]])}`,
    percent: (value) => `${trimmed(value)} %`,
  };
  const incrs = { count: WHOLE, duration: MICROSECONDS };

  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const two = (number) => String(number).padStart(2, "0");
  // Midnight shows its date, so that a day is found among hours.
  const clock = (date, incr) => (incr >= 86400 || (!date.getHours() && !date.getMinutes())
    ? `${date.getDate()} ${MONTHS[date.getMonth()]}` : `${two(date.getHours())}:${two(date.getMinutes())}`);

  const moment = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19);
  const isZone = (name) => { try { return Boolean(new Intl.DateTimeFormat("en", { timeZone: name })); } catch { return false; } };
  const colour = (element, name) => getComputedStyle(element)[name];
  const kept = {
    key: (title) => `series:${title}`,
    read(title) { try { return JSON.parse(sessionStorage.getItem(this.key(title))) ?? []; } catch { return []; } },
    write(title, names) { try { sessionStorage.setItem(this.key(title), JSON.stringify(names)); } catch { /* private windows */ } },
  };

  // Buckets without requests are part of the axis: a line is broken there, and bars keep their width.
  function gridOf({ start, end, bucket, names, points }) {
    const rows = new Map(points.map(([at, ...values], row) => [at, { row, values }]));
    const starts = Array.from({ length: Math.max(1, Math.round((end - start) / bucket)) }, (_, each) => start + each * bucket);
    return {
      starts,
      middles: starts.map((each) => each + bucket / 2),
      row: (index) => rows.get(starts[index])?.row ?? null,
      values: names.map((_, series) => starts.map((each) => rows.get(each)?.values[series] ?? null)),
      filled: starts.flatMap((each, index) => (rows.has(each) ? [index] : [])),
    };
  }

  // Bars are stacked by drawing the sums, the highest first: uPlot's series are in the reverse order of the names.
  function dataOf(grid, kind, shown, height) {
    if (kind === "lines") return [grid.middles, ...grid.values];
    const sums = grid.starts.map((_, index) => grid.values.reduce((sum, each, series) => sum + (shown[series] ? each[index] ?? 0 : 0), 0));
    const least = (LEAST_HEIGHT * Math.max(...sums)) / height;
    const floor = grid.starts.map(() => 0);
    const stacked = grid.values.map((each, series) => each.map((value, index) => {
      if (!shown[series] || !value) return null;
      floor[index] += Math.max(value, least);
      return floor[index];
    }));
    return [grid.middles, ...stacked.reverse()];
  }

  function draw(figure) {
    const data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const { kind, unit, start, end, bucket, zone, zoom, names } = data;
    const plot = figure.querySelector(".plot");
    const title = figure.querySelector("figcaption b").textContent;
    const swatches = [...figure.querySelectorAll(".swatch")];
    const rows = [...figure.querySelectorAll("table.figures tbody tr")];
    const grid = gridOf(data);
    const known = isZone(zone) ? zone : "Etc/UTC";
    if (!grid.filled.length) return;
    const hidden = kept.read(title);
    const shown = names.map((name) => !hidden.includes(name));
    if (!shown.includes(true)) shown.fill(true);
    const place = (series) => (kind === "bars" ? names.length - series : series + 1);
    let anchor = null;
    let inside = false;

    const box = document.createElement("div");
    box.className = "tooltip";
    box.setAttribute("role", "status");
    box.hidden = true;

    const series = names.map((name, each) => ({
      label: name,
      show: shown[each],
      stroke: () => colour(swatches[each], "backgroundColor"),
      ...(kind === "bars"
        ? { fill: () => colour(swatches[each], "backgroundColor"), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.86, 60] }) }
        : { width: 1.8, points: { show: true, size: 5, fill: () => colour(swatches[each], "backgroundColor") } }),
    }));
    if (kind === "bars") series.reverse();
    const zoned = (seconds) => uPlot.tzDate(new Date(seconds * 1000), known);
    const axis = { font: FONT, stroke: () => colour(figure.querySelector("summary"), "color"), ticks: { show: false } };
    const grey = () => colour(figure, "borderTopColor");
    const u = new uPlot({
      width: Math.max(120, plot.clientWidth),
      height: plot.clientHeight,
      tzDate: zoned,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      scales: { x: { time: true, range: () => [start, end] }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.06 : 1] } },
      series: [{}, ...series],
      axes: [
        { ...axis, size: 28, gap: 8, space: 64, grid: { show: false },
          values: (_, splits, __, ___, incr) => splits.map((each) => clock(zoned(each), incr)),
        },
        { ...axis, size: 58, gap: 6, space: 26, grid: { stroke: grey, width: 1 }, incrs: incrs[unit],
          values: (_, splits) => splits.map((value) => (value === null ? "" : words[unit](value))) },
      ],
      cursor: {
        y: false,
        points: { show: kind === "lines" },
        drag: { x: true, y: false, setScale: false, dist: 6 },
        bind: { dblclick: () => null },
        sync: { key: "page", filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
      },
      hooks: { setCursor: [(self) => read(self.cursor.idx)], setSelect: [(self) => selected(self.select.left, self.select.width)] },
    }, dataOf(grid, kind, shown, plot.clientHeight - 40), plot);
    figure.append(box);

    function read(index) {
      const row = index === null || index === undefined ? null : grid.row(index);
      box.hidden = !inside || row === null;
      if (box.hidden) return;
      const cells = rows[row].cells;
      const head = document.createElement("div");
      head.className = "sub";
      head.textContent = cells[0].textContent;
      const lines = names.flatMap((name, each) => {
        if (!shown[each] || data.points[row][each + 1] === null) return [];
        const line = document.createElement("div");
        const figureOf = document.createElement("b");
        figureOf.textContent = cells[each + 1].textContent;
        line.append(swatches[each].cloneNode(), `${name} `, figureOf);
        return [line];
      });
      box.replaceChildren(head, ...lines.reverse());
      const outer = figure.getBoundingClientRect();
      const over = u.over.getBoundingClientRect();
      const middle = over.left - outer.left + u.valToPos(grid.middles[index], "x");
      const right = middle > outer.width / 2;
      box.style.left = right ? "" : `${middle + 14}px`;
      box.style.right = right ? `${outer.width - middle + 14}px` : "";
      box.style.top = `${over.top - outer.top}px`;
    }

    const linkOf = (index, each) => {
      const row = grid.row(index);
      if (row === null) return null;
      return rows[row].cells[each + 1]?.querySelector("a") ?? rows[row].cells[0].querySelector("a");
    };
    // The series under the pointer: of bars the lowest sum above it, of lines the nearest point; -1 is all of the bucket.
    function seriesAt(index, top) {
      let best = -1;
      let distance = Infinity;
      names.forEach((_, each) => {
        const value = u.data[place(each)][index];
        if (!shown[each] || value === null || value === undefined) return;
        const below = top - u.valToPos(value, "y");
        const far = kind === "bars" ? below : Math.abs(below);
        if ((kind === "bars" ? far >= -1 : far <= NEAR) && far < distance) { best = each; distance = far; }
      });
      return best;
    }
    function zoomTo(low, high) {
      if (!zoom) return;
      const url = new URL(zoom, location.href);
      url.searchParams.set("since", moment(grid.starts[low]));
      url.searchParams.set("until", moment(grid.starts[high] + bucket));
      location.href = url;
    }
    const indexAt = (left) => {
      const at = Math.floor((u.posToVal(left, "x") - start) / bucket);
      return Math.min(grid.starts.length - 1, Math.max(0, at));
    };
    function selected(left, width) {
      if (inside === "keys" || width <= 0) return;
      zoomTo(indexAt(left), indexAt(left + width - 1));
    }

    let touched = null;
    u.over.addEventListener("pointerdown", (event) => { touched = event.pointerType === "mouse" ? null : u.cursor.idx ?? -1; });
    u.over.addEventListener("click", (event) => {
      const at = indexAt(event.offsetX);
      // A finger has no way to hover: its first tap reads, a second one on the same place opens.
      if (touched !== null && touched !== at) return;
      const link = linkOf(at, seriesAt(at, event.offsetY));
      if (link) location.href = link.href;
    });
    u.over.addEventListener("mouseenter", () => { inside = true; });
    u.over.addEventListener("mouseleave", () => { inside = false; box.hidden = true; });

    plot.tabIndex = 0;
    function go(index) {
      inside = "keys";
      const at = grid.filled[Math.max(0, Math.min(grid.filled.length - 1, index))];
      u.setCursor({ left: u.valToPos(grid.middles[at], "x"), top: 10 }, true, false);
      read(at);
      if (anchor === null) { u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false); return; }
      const [low, high] = [grid.starts[Math.min(anchor, at)], grid.starts[Math.max(anchor, at)] + bucket];
      const left = u.valToPos(low, "x");
      u.setSelect({ left, width: u.valToPos(high, "x") - left, top: 0, height: u.over.clientHeight }, false);
    }
    plot.addEventListener("keydown", (event) => {
      const here = inside === "keys" ? grid.filled.indexOf(u.cursor.idx) : -1;
      const steps = { ArrowLeft: here < 0 ? Infinity : here - 1, ArrowRight: here < 0 ? 0 : here + 1, Home: 0, End: Infinity };
      if (event.key in steps) {
        if (!event.shiftKey) anchor = null;
        else if (anchor === null) anchor = grid.filled[here] ?? null;
        go(steps[event.key]);
      } else if (event.key === "Enter" && here >= 0) {
        if (anchor !== null && anchor !== u.cursor.idx) zoomTo(Math.min(anchor, u.cursor.idx), Math.max(anchor, u.cursor.idx));
        else { const link = linkOf(u.cursor.idx, -1); if (link) location.href = link.href; }
      } else if (event.key === "Escape") leave();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    function leave() {
      if (inside !== "keys") return;
      inside = false;
      anchor = null;
      box.hidden = true;
      u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
      u.setCursor({ left: -10, top: -10 }, true, false);
    }
    plot.addEventListener("blur", leave);
    plot.addEventListener("focus", () => { if (plot.matches(":focus-visible")) go(Infinity); });

    const keys = [...figure.querySelectorAll(".key")].map((each, position) => {
      if (names.length < 2) return each;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "key";
      button.title = "Click: on or off. Ctrl+click or double click: this one alone";
      button.append(...each.childNodes);
      each.replaceWith(button);
      button.addEventListener("click", (event) => {
        if (event.detail > 1) { alone(position); return; }
        if (event.ctrlKey || event.metaKey || event.shiftKey) { alone(position); return; }
        shown[position] = !shown[position];
        if (!shown.includes(true)) shown.fill(true);
        switched();
      });
      return button;
    });
    function alone(position) {
      const only = shown.every((each, other) => each === (other === position));
      shown.forEach((_, other) => { shown[other] = only || other === position; });
      switched();
    }
    function marked() {
      if (names.length > 1) keys.forEach((key, each) => key.setAttribute("aria-pressed", String(shown[each])));
    }
    function switched() {
      marked();
      kept.write(title, names.filter((_, each) => !shown[each]));
      u.batch(() => {
        names.forEach((_, each) => u.setSeries(place(each), { show: shown[each] }));
        u.setData(dataOf(grid, kind, shown, plot.clientHeight - 40));
      });
    }
    marked();
    figure.plot = u;
    new ResizeObserver(() => {
      if (plot.clientWidth > 0 && Math.abs(plot.clientWidth - u.width) > 1) u.setSize({ width: plot.clientWidth, height: plot.clientHeight });
    }).observe(plot);
    return u;
  }

  const plots = [...document.querySelectorAll("figure.chart")].flatMap((figure) => draw(figure) ?? []);
  const redraw = () => plots.forEach((u) => u.redraw(false, true));
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();
