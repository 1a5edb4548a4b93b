// The page of a run, live: whenever the run moves, the parts that have changed are fetched anew. Nothing is built here:
// every part comes from the server, which has escaped it. Without this script the page shows the same when it is loaded.
"use strict";

const page = document.querySelector("main[data-stream]");
const PAUSE_MS = 500;
const AGAIN_MS = 3000;

async function renew() {
  const answer = await fetch(page.dataset.fresh, { headers: { Accept: "text/html" } });
  if (!answer.ok) return answer.status === 401;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = document.activeElement?.id;
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    // A form that somebody is filling in stays as it is.
    if (!next || part.innerHTML === next.innerHTML || part.querySelector("details[data-keep][open]")) continue;
    part.replaceChildren(...document.importNode(next, true).childNodes);
  }
  if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus();
  return true;
}

let due = null;
function soon(pause = PAUSE_MS) {
  due ??= setTimeout(async () => {
    due = null;
    if (!(await renew().catch(() => false))) soon(AGAIN_MS);
  }, pause);
}

let source = null;
function follow() {
  source = new EventSource(page.dataset.stream);
  source.addEventListener("message", () => soon());
  source.addEventListener("end", () => source.close());
}

if (page) {
  follow();
  // A browser has few connections to one place, so a page that nobody sees takes none.
  document.addEventListener("visibilitychange", () => {
    source.close();
    if (document.visibilityState === "visible") {
      soon(0);
      follow();
    }
  });
  addEventListener("pagehide", () => source.close());
}

// Escape closes an open form and gives its heading the focus back.
addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.activeElement?.closest("details[data-keep][open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});

// What came of a command is where the keyboard goes on: the form that was sent is on a page that is gone.
document.getElementById("told")?.focus();
