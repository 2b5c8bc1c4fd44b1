// Keys, the light/dark switch, and copy buttons. Every page works without it.
(() => {
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const apply = (theme) => { if (theme) root.dataset.theme = theme; };
  apply(stored());

  const rows = () => [...document.querySelectorAll("a[data-row]")].filter((each) => each.getClientRects().length);
  const help = document.getElementById("help");

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
    all[next].focus();
    all[next].closest("tr").scrollIntoView({ block: "nearest" });
  }

  function toggleTheme() {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    const theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", theme); } catch { /* private windows */ }
    apply(theme);
  }

  const go = (key) => {
    const link = document.querySelector(`a[data-go="${key}"]`);
    if (link) link.click();
    return Boolean(link);
  };

  const keys = {
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => rows().includes(document.activeElement) && move(1),
    ArrowUp: () => rows().includes(document.activeElement) && move(-1),
    "/": () => { const field = document.getElementById("search"); if (field) { field.focus(); field.select(); } else go("i"); },
    t: toggleTheme,
    "?": () => (help.open ? help.close() : help.showModal()),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape" && typing) { event.target.blur(); return; }
    if (typing) return;
    const action = keys[event.key] ?? (/^[a-z]$/.test(event.key) ? () => go(event.key) : null);
    if (!action) return;
    if (action() !== false) event.preventDefault();
  });

  // On a narrow screen the list of pages scrolls: the page that is shown has to be in sight.
  const here = document.querySelector('header nav [aria-current="page"]');
  if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;

  // On a phone the conditions are closed until somebody looks for them: the list below is what is wanted.
  if (matchMedia("(max-width: 700px)").matches) document.querySelectorAll("details.filters").forEach((each) => { each.open = false; });

  document.getElementById("theme").addEventListener("click", toggleTheme);
  document.getElementById("keys").addEventListener("click", () => help.showModal());
  // The reader's own time zone is offered next to UTC.
  const zones = document.getElementById("zone");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zones && own && ![...zones.options].some((option) => option.value === own)) zones.add(new Option(own, own));

  // Refreshing is remembered for the tab, and waits while something is typed or a row is selected.
  const live = document.getElementById("live");
  if (live) {
    try { live.checked = sessionStorage.getItem("live") === "1"; } catch { /* private windows */ }
    live.addEventListener("change", () => {
      try { sessionStorage.setItem("live", live.checked ? "1" : "0"); } catch { /* private windows */ }
    });
    setInterval(() => {
      const busy = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "") || help.open;
      if (live.checked && !document.hidden && !busy && !String(getSelection())) location.reload();
    }, 10000);
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches(".controls select, .controls input[type=checkbox]")) event.target.form.requestSubmit();
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Without HTTPS there is no clipboard: the text is selected, ready for the keyboard.
      getSelection().selectAllChildren(source);
    }
  });
  document.addEventListener("click", (event) => {
    const row = event.target.closest("table.list tbody tr");
    if (row && !event.target.closest("a, button") && !String(getSelection())) row.querySelector("a[data-row]").click();
  });
})();
