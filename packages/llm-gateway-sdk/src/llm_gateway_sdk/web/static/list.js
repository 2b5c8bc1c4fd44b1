// The list of interactions: which columns are shown, and new rows at the top. Without it the usual columns are there.
(() => {
  const table = document.querySelector("table.list");
  const columns = document.getElementById("columns");
  const read = (store, key) => { try { return store.getItem(key); } catch { return null; } };
  const write = (store, key, value) => { try { store.setItem(key, value); } catch { /* private windows */ } };
  const boxes = columns ? [...columns.querySelectorAll("input")] : [];

  // Links that open a view with other columns name them; otherwise the reader's last choice holds.
  const asked = new URLSearchParams(location.search).get("columns") ?? read(localStorage, "columns");
  if (asked !== null) for (const box of boxes) box.checked = asked.split(",").includes(box.value);
  const shown = () => new Set(["text", ...boxes.filter((box) => box.checked).map((box) => box.value)]);
  function apply(root) {
    if (!boxes.length || !root) return;
    const wanted = shown();
    root.querySelectorAll("[data-col]").forEach((cell) => { cell.hidden = !wanted.has(cell.dataset.col); });
  }
  apply(table);
  columns?.addEventListener("change", () => {
    write(localStorage, "columns", boxes.filter((box) => box.checked).map((box) => box.value).join());
    apply(table);
  });

  // Rows that failed alike are closed below the first of them, until its button opens them.
  for (const button of table?.querySelectorAll("button.alike") ?? []) {
    const rows = [];
    for (let row = button.closest("tr").nextElementSibling; rows.length < Number(button.dataset.alike); row = row.nextElementSibling) rows.push(row);
    const set = (open) => {
      button.setAttribute("aria-expanded", String(open));
      rows.forEach((row) => { row.hidden = !open; });
    };
    set(false);
    button.addEventListener("click", () => set(button.getAttribute("aria-expanded") === "false"));
  }

  const live = document.getElementById("tail");
  const state = document.getElementById("tail-state");
  if (!live) return;
  const most = 200;
  let source = null;
  let added = 0;
  function arrived(event) {
    const rows = JSON.parse(event.data);
    const body = table?.tBodies[0];
    if (!body) { if (rows.length) location.reload(); return; }
    for (const { id, html } of rows.reverse()) {
      const holder = document.createElement("tbody");
      holder.innerHTML = html;
      const row = holder.rows[0];
      apply(row);
      const known = [...body.rows].find((each) => each.dataset.id === id);
      if (known) known.replaceWith(row);
      else { row.classList.add("new"); body.prepend(row); added += 1; }
    }
    while (body.rows.length > most) body.rows[body.rows.length - 1].remove();
    state.textContent = added ? `${added} new` : "waiting for new ones";
  }
  function switched() {
    source?.close();
    source = null;
    state.textContent = "";
    write(sessionStorage, "tail", live.checked ? "1" : "0");
    if (!live.checked) return;
    state.textContent = "waiting for new ones";
    source = new EventSource(live.dataset.tail);
    source.onmessage = arrived;
    source.onerror = () => { if (source?.readyState === EventSource.CLOSED) state.textContent = "The connection has ended: reload the page."; };
  }
  live.checked = read(sessionStorage, "tail") === "1";
  live.addEventListener("change", switched);
  if (live.checked) switched();
})();
