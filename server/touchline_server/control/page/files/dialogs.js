// The dialogs that act: kick a player, drain a worker. Each stays open with the server's words if it refuses.

import * as api from "./api.js";
import { time } from "./format.js";

const kick = document.getElementById("kick");
const drain = document.getElementById("drain");
const toast = document.getElementById("toast");
const TOAST_MS = 6000;

for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

/** Ask before a player is kicked; without one the operator names it. */
export function kickDialog(player = "") {
  const { elements } = open(kick);
  elements.player.value = player;
  (player ? elements.reason : elements.player).focus();
}

/** Ask before a worker is drained. */
export function drainDialog(worker) {
  open(drain);
  drain.querySelector("[data-worker]").textContent = worker;
  drain.dataset.worker = worker;
}

onSubmit(kick, async ({ elements: { player, seconds, reason } }) => {
  const done = await api.kick(player.value, Number(seconds.value), reason.value);
  return `${done.player} is kicked, until ${time(done.until_ms)}`;
});

onSubmit(drain, async () => {
  const { worker } = await api.drain(drain.dataset.worker);
  return `${worker} drains`;
});

function open(dialog) {
  dialog.querySelector(".problem").textContent = "";
  dialog.showModal();
  return dialog.querySelector("form");
}

function onSubmit(dialog, act) {
  const form = dialog.querySelector("form");
  const button = form.querySelector(".danger");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      say(await act(form));
      dialog.close();
    } catch (error) {
      dialog.querySelector(".problem").textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });
}

let hiding;

function say(text) {
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => {
    toast.hidden = true;
  }, TOAST_MS);
}
