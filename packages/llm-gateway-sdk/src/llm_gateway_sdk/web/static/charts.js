// Charts that answer: figures under the pointer or by arrow keys, a click opens what a bar counts, dragging zooms in.
// Without this script each bar and dot has its figures as a title.
(() => {
  const drawing = "http://www.w3.org/2000/svg";
  const moment = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19);
  const address = (template, from, to) => {
    const url = new URL(template, location.href);
    url.searchParams.set("since", moment(from));
    url.searchParams.set("until", moment(to));
    return url;
  };

  for (const figure of document.querySelectorAll("figure[data-points]")) {
    const svg = figure.querySelector("svg.chart");
    const { start, end, bucket, names, classes, points } = JSON.parse(figure.dataset.points);
    if (!points.length) continue;
    svg.querySelectorAll("g > title, circle > title").forEach((title) => title.remove());
    const cursor = document.createElementNS(drawing, "rect");
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("height", svg.getAttribute("height"));
    cursor.setAttribute("width", `${(100 * bucket) / (end - start)}%`);
    svg.prepend(cursor);
    const box = document.createElement("div");
    box.className = "tooltip";
    box.setAttribute("role", "status");
    box.hidden = true;
    figure.append(box);
    svg.tabIndex = 0;
    svg.setAttribute("aria-label", `${svg.getAttribute("aria-label")}: arrow keys read the figures, Enter opens the requests`);

    let at = -1;
    let from = null;
    const hide = () => { at = -1; box.hidden = true; figure.classList.remove("read"); };
    function show(index) {
      at = Math.max(0, Math.min(points.length - 1, index));
      const [time, words, values] = points[at];
      cursor.setAttribute("x", `${(100 * (time - start)) / (end - start)}%`);
      cursor.setAttribute("width", `${(100 * bucket) / (end - start)}%`);
      figure.classList.add("read");
      const rows = names.flatMap((name, position) => {
        if (values[position] === null) return [];
        const row = document.createElement("div");
        const swatch = document.createElement("i");
        swatch.className = `swatch back-${classes[position]}`;
        const figureOf = document.createElement("b");
        figureOf.textContent = values[position];
        row.append(swatch, `${name} `, figureOf);
        return [row];
      });
      const head = document.createElement("div");
      head.className = "sub";
      head.textContent = words;
      box.replaceChildren(head, ...rows);
      box.hidden = false;
      const outer = figure.getBoundingClientRect();
      const inner = svg.getBoundingClientRect();
      const middle = inner.left - outer.left + (inner.width * (time + bucket / 2 - start)) / (end - start);
      const right = middle > outer.width / 2;
      box.style.left = right ? "" : `${middle + 14}px`;
      box.style.right = right ? `${outer.width - middle + 14}px` : "";
      box.style.top = `${inner.top - outer.top}px`;
    }
    const timeAt = (event) => {
      const frame = svg.getBoundingClientRect();
      return start + ((end - start) * (event.clientX - frame.left)) / frame.width;
    };
    const nearest = (time) => {
      let best = 0;
      points.forEach(([each], index) => {
        if (Math.abs(each + bucket / 2 - time) < Math.abs(points[best][0] + bucket / 2 - time)) best = index;
      });
      return best;
    };
    const open = () => { if (at >= 0 && figure.dataset.href) location.href = address(figure.dataset.href, points[at][0], points[at][0] + bucket); };

    svg.addEventListener("pointermove", (event) => {
      if (from === null) { show(nearest(timeAt(event))); return; }
      const [low, high] = [from, timeAt(event)].sort((a, b) => a - b);
      cursor.setAttribute("x", `${(100 * (low - start)) / (end - start)}%`);
      cursor.setAttribute("width", `${(100 * (high - low)) / (end - start)}%`);
    });
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = timeAt(event);
      if (event.pointerType === "mouse") svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const [low, high] = [from, timeAt(event)].sort((a, b) => a - b);
      from = null;
      if (high - low > bucket && event.pointerType === "mouse") {
        const whole = (time, round) => start + round((time - start) / bucket) * bucket;
        location.href = address(figure.dataset.zoom, Math.max(start, whole(low, Math.floor)), whole(high, Math.ceil));
      } else if (event.pointerType === "mouse") { show(nearest(low)); open(); } else show(nearest(low));
    });
    svg.addEventListener("pointercancel", () => { from = null; });
    svg.addEventListener("pointerleave", () => { if (from === null && document.activeElement !== svg) hide(); });
    svg.addEventListener("blur", hide);
    svg.addEventListener("focus", () => { if (at < 0 && svg.matches(":focus-visible")) show(points.length - 1); });
    svg.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: points.length - 1 };
      if (event.key in steps) show(steps[event.key]);
      else if (event.key === "Enter") open();
      else if (event.key === "Escape") hide();
      else return;
      event.preventDefault();
    });
  }
})();
