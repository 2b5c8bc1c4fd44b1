// Sends a request to the project's own address, as any client would, and shows the reply as it comes.
(() => {
  const form = document.getElementById("playground");
  const answers = document.getElementById("answers");
  const stop = document.getElementById("stop");
  if (!form) return;
  const offered = JSON.parse(form.dataset.offered);
  const field = (name) => form.elements.namedItem(name);
  let running = null;
  let recorded = null;  // what the request that is replayed was answered when it was recorded

  const make = (name, text = "", className = "") => {
    const element = document.createElement(name);
    element.textContent = text;
    if (className) element.className = className;
    return element;
  };

  const fill = (select, values) => {
    const before = select.value;
    select.replaceChildren(...values.map((value) => new Option(value || "nothing", value)));
    if (values.includes(before)) select.value = before;
  };

  // What differs between the client APIs: the body, and where texts, tool calls and token counts are in a reply.
  const dialects = {
    chat: {
      matches: (path) => path.endsWith("/chat/completions"),
      body: (model, system, text, max, stream) => ({
        model, max_tokens: max, stream, ...(stream ? { stream_options: { include_usage: true } } : {}),
        messages: [...(system ? [{ role: "system", content: system }] : []), { role: "user", content: text }],
      }),
      read: (reply, sink) => {
        for (const choice of reply.choices ?? []) {
          const part = choice.delta ?? choice.message ?? {};
          sink.text(part.content);
          sink.thinking(part.reasoning_content ?? part.reasoning);
          for (const call of part.tool_calls ?? []) sink.call(call.index ?? call.id, call.function?.name, call.function?.arguments);
        }
        if (reply.usage) sink.usage(reply.usage.prompt_tokens, reply.usage.completion_tokens);
      },
    },
    messages: {
      matches: (path) => path.endsWith("/messages"),
      headers: { "anthropic-version": "2023-06-01" },
      body: (model, system, text, max, stream) => ({
        model, max_tokens: max, stream, ...(system ? { system } : {}), messages: [{ role: "user", content: text }],
      }),
      read: (reply, sink) => {
        for (const [index, block] of (reply.content ?? []).entries()) {
          sink.text(block.text);
          sink.thinking(block.thinking);
          if (block.type === "tool_use") sink.call(index, block.name, JSON.stringify(block.input));
        }
        if (reply.type === "content_block_start" && reply.content_block.type === "tool_use") sink.call(reply.index, reply.content_block.name, "");
        if (reply.delta) {
          sink.text(reply.delta.text);
          sink.thinking(reply.delta.thinking);
          if (reply.delta.partial_json !== undefined) sink.call(reply.index, "", reply.delta.partial_json);
        }
        const usage = reply.usage ?? reply.message?.usage;
        if (usage) sink.usage(usage.input_tokens, usage.output_tokens);
      },
    },
    responses: {
      matches: (path) => path.endsWith("/responses"),
      body: (model, system, text, max, stream) => ({
        model, max_output_tokens: max, stream, ...(system ? { instructions: system } : {}), input: text,
      }),
      read: (reply, sink) => {
        if (reply.type === "response.output_text.delta") sink.text(reply.delta);
        if (/^response\.reasoning.*\.delta$/.test(reply.type ?? "")) sink.thinking(reply.delta);
        if (reply.type === "response.output_item.done" && reply.item.type === "function_call") sink.call(reply.output_index, reply.item.name, reply.item.arguments);
        for (const [index, item] of (reply.output ?? []).entries()) {
          for (const part of item.content ?? []) sink.text(part.text);
          if (item.type === "function_call") sink.call(index, item.name, item.arguments);
        }
        const usage = reply.usage ?? reply.response?.usage;
        if (usage) sink.usage(usage.input_tokens, usage.output_tokens);
      },
    },
    gemini: {
      matches: (path) => /generatecontent/i.test(path),
      body: (model, system, text, max) => ({
        ...(system ? { systemInstruction: { parts: [{ text: system }] } } : {}),
        contents: [{ role: "user", parts: [{ text }] }], generationConfig: { maxOutputTokens: max },
      }),
      read: (reply, sink) => {
        for (const candidate of reply.candidates ?? []) {
          for (const [index, part] of (candidate.content?.parts ?? []).entries()) {
            if (part.thought) sink.thinking(part.text); else sink.text(part.text);
            if (part.functionCall) sink.call(index, part.functionCall.name, JSON.stringify(part.functionCall.args));
          }
        }
        if (reply.usageMetadata) sink.usage(reply.usageMetadata.promptTokenCount, reply.usageMetadata.candidatesTokenCount);
      },
    },
  };
  const other = {
    body: (model, system, text, max, stream) => ({ model, stream, max_tokens: max, prompt: text }),
    read: (reply, sink) => sink.text((reply.choices ?? []).map((choice) => choice.text ?? "").join("")),
  };
  const dialectOf = (path) => Object.values(dialects).find((each) => each.matches(path)) ?? other;

  function target(model) {
    const template = offered[field("project").value].apis[field("api").value];
    const stream = field("stream").checked;
    let path = template.replace(/\{\w+\}/, encodeURIComponent(model));
    if (/:(stream)?generatecontent$/i.test(path)) {
      path = path.replace(/:\w+$/, stream ? ":streamGenerateContent" : ":generateContent") + (stream ? "?alt=sse" : "");
    }
    return path;
  }

  function bodyFor(model) {
    const dialect = dialectOf(target(model));
    return dialect.body(model, field("system").value.trim(), field("message").value, Number(field("max").value) || 1024, field("stream").checked);
  }

  function written(model) {
    if (!field("own").checked) return JSON.stringify(bodyFor(model));
    const body = JSON.parse(field("body").value);
    if ("model" in body) body.model = model;
    return JSON.stringify(body);
  }

  function headersFor(path) {
    const headers = { "content-type": "application/json", ...(dialectOf(path).headers ?? {}) };
    const key = field("key").value.trim();
    if (key) headers.authorization = `Bearer ${key}`;
    else if (form.dataset.token) headers["x-llm-gateway-console"] = form.dataset.token;
    return headers;
  }

  function update() {
    const project = offered[field("project").value];
    fill(field("api"), Object.keys(project.apis));
    fill(field("model"), project.models);
    fill(field("other"), ["", ...project.models]);
    const own = field("own").checked;
    for (const name of ["system", "message", "max"]) field(name).closest("label").hidden = own;
    field("message").required = !own;
    if (!own) field("body").value = JSON.stringify(bodyFor(field("model").value), null, 2);
    else try {  // the body names the model that is chosen
      field("body").value = JSON.stringify(JSON.parse(written(field("model").value)), null, 2);
    } catch { /* not valid yet */ }
  }

  function card(model) {
    const box = make("article", "", "panel answer");
    const text = make("div", "", "text");
    const thinking = make("div", "", "text thinking");
    const calls = make("div");
    const facts = make("dl", "", "facts");
    box.append(make("h2", model), thinking, text, calls, facts);
    answers.append(box);
    const found = { model, text: "", calls: new Map(), seconds: null, input: null, output: null };
    return {
      found, box, text, facts,
      sink: {
        text: (piece) => { if (piece) { found.text += piece; text.textContent = found.text; } },
        thinking: (piece) => { if (piece) thinking.textContent += piece; },
        call: (at, name, args) => {
          const call = found.calls.get(at) ?? { name: "", args: "" };
          call.name += name || ""; call.args += args || "";
          found.calls.set(at, call);
          calls.replaceChildren(...[...found.calls.values()].map((each) => {
            const shown = make("div", "", "call");
            let args = each.args;
            try { args = JSON.stringify(JSON.parse(each.args), null, 2); } catch { /* not whole yet */ }
            shown.append(make("span", each.name, "chip"), make("pre", args));
            return shown;
          }));
        },
        usage: (input, output) => { found.input = input ?? found.input; found.output = output ?? found.output; },
      },
      fact: (name, value) => {
        if (value === null || value === undefined || value === "") return;
        const row = make("div");
        const shown = make("dd");
        if (value instanceof Node) shown.append(value); else shown.textContent = value;
        row.append(make("dt", name), shown);
        facts.append(row);
      },
      fail: (text) => { const line = make("p", text, "failure"); line.setAttribute("role", "alert"); box.insertBefore(line, facts); },
    };
  }

  async function* events(stream) {
    const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      rest += value ?? "";
      const blocks = rest.split(/\r?\n\r?\n/);
      rest = done ? "" : blocks.pop();
      for (const block of blocks) {
        const data = block.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
        if (data && data !== "[DONE]") yield data;
      }
      if (done) return;
    }
  }

  const explain = (reply) => reply?.error?.message ?? reply?.message ?? reply?.error ?? JSON.stringify(reply);

  async function send(model, signal) {
    const shown = card(model);
    const path = target(model);
    const dialect = dialectOf(path);
    const began = performance.now();
    let first = null;
    let reply = null;
    try {
      reply = await fetch(path, { method: "POST", headers: headersFor(path), body: written(model), signal, credentials: "same-origin" });
      const kind = reply.headers.get("content-type") ?? "";
      if (!reply.ok) {
        const body = await reply.text();
        let problem = body;
        try { problem = explain(JSON.parse(body)); } catch { /* plain text */ }
        shown.fail(`${reply.status}: ${problem}`);
      } else if (kind.includes("event-stream")) {
        for await (const data of events(reply.body)) {
          first ??= performance.now() - began;
          const piece = JSON.parse(data);
          if (piece.error) shown.fail(String(explain(piece)));
          dialect.read(piece, shown.sink);
        }
      } else {
        dialect.read(await reply.json(), shown.sink);
      }
      shown.found.answered = reply.ok;
    } catch (error) {
      shown.fail(error.name === "AbortError" ? "Stopped." : String(error.message ?? error));
    }
    shown.found.seconds = (performance.now() - began) / 1000;
    shown.fact("Time", `${shown.found.seconds.toFixed(2)} s`);
    if (first !== null) shown.fact("First event", `${first.toFixed(0)} ms`);
    if (shown.found.input !== null) shown.fact("Tokens", `${shown.found.input} → ${shown.found.output ?? "–"}`);
    if (reply) {
      const header = (name) => reply.headers.get(`x-llm-gateway-${name}`);
      shown.fact("Answered by", header("model"));
      shown.fact("Attempts", header("attempts"));
      shown.fact("Lost in translation", header("losses"));
      shown.fact("Error of", header("error-source"));
      shown.fact("Limit", header("limit"));
      const id = reply.headers.get("x-request-id");
      if (id && form.dataset.traces) {
        const link = make("a", id);
        link.href = `${form.dataset.traces}/${encodeURIComponent(id)}`;
        shown.fact("What went upstream", link);
      } else shown.fact("Request", id);
    }
    return shown.found;
  }

  function compare(one, two) {
    const box = make("article", "", "panel answer");
    box.append(make("h2", `Compared: ${one.model} and ${two.model}`));
    const list = make("dl", "", "facts");
    const add = (name, value) => { const row = make("div"); row.append(make("dt", name), make("dd", value)); list.append(row); };
    const callsOf = (found) => [...found.calls.values()].map((call) => {
      try { return `${call.name} ${canonical(JSON.parse(call.args || "{}"))}`; } catch { return `${call.name} ${call.args}`; }
    });
    const same = one.text.trim() === two.text.trim();
    add("Text", same ? "the same" : `different: ${one.text.length} and ${two.text.length} characters`);
    const [a, b] = [callsOf(one), callsOf(two)];
    add("Tool calls", !a.length && !b.length ? "none" : JSON.stringify(a) === JSON.stringify(b) ? "the same" : `different: ${a.length} and ${b.length}`);
    if (one.output !== null && two.output !== null) add("Tokens out", `${one.output} and ${two.output}`);
    if (one.seconds !== null && two.seconds !== null) add("Time", `${one.seconds.toFixed(2)} s and ${two.seconds.toFixed(2)} s`);
    box.append(list);
    if (!same) box.append(difference(one.text, two.text));
    answers.append(box);
  }

  // Words that only one of two texts has, by their longest common subsequence. Long texts are compared at their beginning.
  function difference(before, after) {
    const most = 800;
    const [a, b] = [before, after].map((text) => text.split(/(\s+)/).filter(Boolean).slice(0, most));
    const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
      }
    }
    const shown = make("div", "", "text difference");
    let [i, j, kind, words] = [0, 0, "span", ""];
    const put = (next, word) => {
      if (next !== kind && words) { shown.append(make(kind, words)); words = ""; }
      kind = next;
      words += word;
    };
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) { put("span", a[i]); i += 1; j += 1; }
      else if (j >= b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) { put("del", a[i]); i += 1; }
      else { put("ins", b[j]); j += 1; }
    }
    if (words) shown.append(make(kind, words));
    return shown;
  }

  function showRecorded() {
    const shown = card(`Recorded: ${recorded.model}`);
    shown.sink.text(recorded.text);
    recorded.calls.forEach((call, at) => shown.sink.call(at, call.name, call.args));
    if (recorded.input !== null) shown.fact("Tokens", `${recorded.input} → ${recorded.output ?? "–"}`);
  }

  function canonical(value) {
    if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
    if (value && typeof value === "object") return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`;
    return JSON.stringify(value);
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return;
    running = new AbortController();
    stop.disabled = false;
    await loaded;  // who is quick would get no comparison with what was recorded
    answers.replaceChildren();
    if (recorded) showRecorded();
    const models = [...new Set([field("model").value, field("other").value].filter(Boolean))];
    try {
      const found = await Promise.all(models.map((model) => send(model, running.signal)));
      if (recorded) for (const each of found) { if (each.answered) compare(recorded, each); }
      if (found.length === 2 && found.every((each) => each.answered)) compare(...found);
    } finally {
      running = null;
      stop.disabled = true;
    }
  });
  stop.addEventListener("click", () => running?.abort());
  document.getElementById("curl").addEventListener("click", async (event) => {
    const model = field("model").value;
    const path = target(model);
    const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
    const headers = { ...headersFor(path) };
    delete headers["x-llm-gateway-console"];
    const words = Object.entries({ ...headers, authorization: "Bearer $GATEWAY_KEY" }).map(([name, value]) =>
      name === "authorization" ? `-H "${name}: ${value}"` : `-H ${quoted(`${name}: ${value}`)}`);
    const text = `curl ${quoted(location.origin + path)} ${words.join(" ")} -d ${quoted(written(model))}`;
    const shown = make("pre", text);
    shown.id = "curl-text";
    answers.replaceChildren(shown);
    try { await navigator.clipboard.writeText(text); event.target.textContent = "Copied"; } catch { getSelection().selectAllChildren(shown); }
  });
  form.addEventListener("input", (event) => {
    if (event.target.name === "body") field("own").checked = true;
    else update();
  });
  // A recorded request, in the gateway's canonical form, as a body of Chat Completions.
  const textOf = (content) => (content ?? []).filter((part) => part.type === "text").map((part) => part.text).join("\n");
  function chatMessages(message) {
    const content = message.content ?? [];
    const results = content.filter((part) => part.type === "tool_result").map((part) => (
      { role: "tool", tool_call_id: part.tool_call_id, content: textOf(part.content) }));
    const calls = content.filter((part) => part.type === "tool_call").map((part) => (
      { id: part.id, type: "function", function: { name: part.name, arguments: part.arguments || "{}" } }));
    const parts = content.flatMap((part) => {
      if (part.type === "text") return [{ type: "text", text: part.text }];
      if (part.type !== "media" || (part.kind ?? "image") !== "image") return [];
      const url = part.url ?? (part.data ? `data:${part.media_type};base64,${part.data}` : null);
      return url ? [{ type: "image_url", image_url: { url } }] : [];
    });
    const plain = parts.every((part) => part.type === "text");
    const text = plain ? parts.map((part) => part.text).join("\n") : parts;
    if (!parts.length && !calls.length) return results;
    return [...results, { role: message.role, content: parts.length ? text : null, ...(calls.length ? { tool_calls: calls } : {}) }];
  }
  function chatBody(request) {
    const body = { model: request.model, messages: (request.messages ?? []).flatMap(chatMessages) };
    const tools = (request.tools ?? []).filter((tool) => tool.name).map((tool) => (
      { type: "function", function: { name: tool.name, description: tool.description, parameters: tool.parameters ?? tool.input_schema } }));
    if (tools.length) body.tools = tools;
    for (const name of ["temperature", "top_p", "seed", "stop", "max_tokens"]) {
      if (request[name] !== undefined && request[name] !== null) body[name] = request[name];
    }
    return { ...body, stream: true, stream_options: { include_usage: true } };
  }
  async function replay() {
    const asked = new URLSearchParams(location.search);
    const address = asked.get("replay");
    // Nothing but a recorded request of this console is ever loaded.
    if (!address || !form.dataset.traces || !address.startsWith(form.dataset.traces.replace(/interactions$/, "requests/"))) return;
    if (asked.get("project") in offered) field("project").value = asked.get("project");
    update();
    const project = offered[field("project").value];
    const chats = Object.keys(project.apis).filter((name) => project.apis[name].endsWith("/chat/completions"));
    const chat = chats.find((name) => name.startsWith("openai ")) ?? chats[0];
    if (chat) field("api").value = chat;
    if (project.models.includes(asked.get("model"))) field("model").value = asked.get("model");
    const reply = await fetch(address, { credentials: "same-origin" });
    if (!reply.ok) return;
    const body = chatBody(await reply.json());
    field("body").value = JSON.stringify(body, null, 2);
    field("own").checked = true;
    field("body").closest("details").open = true;
    update();
    form.prepend(make("p", `Replays ${address.split("/").at(-2)} as a body of Chat Completions, with the model that is chosen here.`, "wide sub"));
    await readRecorded(address.replace(/request\.json$/, "response.json"), asked.get("model"));
  }
  async function readRecorded(address, model) {
    const reply = await fetch(address, { credentials: "same-origin" });
    if (!reply.ok) return;
    const kept = await reply.json();
    const content = (kept.choices ?? []).slice(0, 1).flatMap((choice) => choice.message?.content ?? []);
    recorded = {
      model: model || kept.model, text: textOf(content), seconds: null, answered: true,
      input: kept.usage?.input_tokens ?? null, output: kept.usage?.output_tokens ?? null,
      calls: new Map(content.filter((part) => part.type === "tool_call").map((part, at) => [at, { name: part.name, args: part.arguments }])),
    };
    showRecorded();
  }
  update();
  const loaded = replay().catch(() => {});
})();
