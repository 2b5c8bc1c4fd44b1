// What the search of the built site shows first, asked of the site's own search worker:
//   node tools/site_search.js build/site WORD PLACE [WORD PLACE ...]
// A place that is not the beginning of the first result's address is reported, with exit code 1.
"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const [site, ...asked] = process.argv.slice(2);
const folder = path.join(site, "assets/javascripts/workers");
const name = fs.readdirSync(folder).find((each) => /^search.*\.js$/.test(each));
const { config, docs } = JSON.parse(fs.readFileSync(path.join(site, "search/search_index.json"), "utf8"));

// A worker of a browser, as far as this one looks at it. Types of messages: 0 is set up, 2 a query, 3 its result.
const receivers = [];
let result = null;
const worker = {
  addEventListener: (type, receive) => type === "message" && receivers.push(receive),
  postMessage: (message) => { if (message.type === 3) result = message.data; },
  importScripts: () => {},
  document: {}, location: { href: "file:///" }, console, URL, setTimeout,
};
worker.self = worker.window = worker;
vm.runInContext(fs.readFileSync(path.join(folder, name), "utf8"), vm.createContext(worker));
const send = (data) => Promise.all(receivers.map((receive) => receive({ data })));

(async () => {
  await send({ type: 0, data: { config, docs, options: { suggest: false } } });
  for (let at = 0; at < asked.length; at += 2) {
    result = null;
    await send({ type: 2, data: asked[at] });
    if (result === null) throw new Error("the search worker does not answer as it did");
    const shown = result.items.length ? result.items[0][0].location : "nothing";
    if (!shown.startsWith(asked[at + 1])) {
      console.log(`a search for "${asked[at]}" shows ${shown} first, not ${asked[at + 1]}`);
      process.exitCode = 1;
    }
  }
})();
