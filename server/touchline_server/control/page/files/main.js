// The page's life: asks for the key if the server wants one, then reads the status again and again, and shows it.

import * as api from "./api.js";
import { makeBoard, showSilence } from "./board.js";
import { kickDialog } from "./dialogs.js";
import { time } from "./format.js";
import { watchRoom } from "./room.js";

/** Between the end of a read and the next one. The page has to show trouble within 5 s, and another process may take
 * the place of a dead worker after 2 s. */
const EVERY_MS = 1000;

const board = document.getElementById("board");
const signIn = document.getElementById("sign-in");
const readiness = document.getElementById("readiness");
const forget = document.getElementById("forget");
let show;
let timer;
let shownMs;

document.getElementById("host").textContent = location.host;
document.getElementById("kick-any").addEventListener("click", () => kickDialog());

document.getElementById("watch-form").addEventListener("submit", (event) => {
  event.preventDefault();
  watchRoom(event.target.querySelector("input").value.trim());
});

document.getElementById("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.key.set(document.getElementById("key").value);
  read();
});

forget.addEventListener("click", () => {
  api.key.forget();
  location.reload();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && signIn.hidden) read();
});

read();

async function read() {
  clearTimeout(timer);
  try {
    shown(await api.status());
  } catch (error) {
    if (error.needsKey) {
      askForKey(error);
      return;
    }
    say("bad", error instanceof api.Refused ? error.message : "no answer");
    board.classList.add("stale");
    if (shownMs !== undefined) showSilence(time(shownMs));
  }
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(read, EVERY_MS);
}

function shown(status) {
  signIn.hidden = true;
  board.hidden = false;
  board.classList.remove("stale");
  forget.hidden = api.key.get() === null;
  show ??= makeBoard();
  show(status);
  shownMs = Date.now();
  if (status.ready) say("good", "ready");
  else say("bad", "not ready");
}

function askForKey(error) {
  const wasWrong = error.code === "key_wrong";
  api.key.forget();
  board.hidden = true;
  forget.hidden = true;
  signIn.hidden = false;
  say("warn", "key needed");
  document.getElementById("key-problem").textContent = wasWrong ? error.message : "";
  document.getElementById("key").value = "";
  document.getElementById("key").focus();
}

function say(tone, text) {
  readiness.className = `pill ${tone}`;
  if (readiness.textContent !== text) readiness.textContent = text;
}
