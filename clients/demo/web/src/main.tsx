/** Starts the page: asks the server which matches are played, again and again, and follows them. */

import { options, render } from "preact";

import { Client } from "./live/client";
import { Memory } from "./live/memory";
import { Navigation } from "./live/navigation";
import { configuration, edgeUrl, tokenSource } from "./live/server";
import { Train } from "./live/train";
import { Site } from "./state/site";
import "./styles/site.css";
import { App } from "./ui/app";
import { keepTitle } from "./ui/title";

const POLL_MS = 3_000;
const FONT_MS_MAX = 400;

const memory = new Memory();
const train = new Train();
const site = new Site(train);
let client: Client | null = null;
let navigation: Navigation | null = null;

/** However many events arrive, the page is drawn at most once per frame. */
options.debounceRendering = requestAnimationFrame;

async function poll(): Promise<void> {
  const configured = await configuration();
  if (configured !== null) {
    client ??= new Client(edgeUrl(configured.port), await tokenSource(memory), site, train, memory);
    navigation ??= new Navigation(site, client);
    site.attribution.value = configured.attribution;
    navigation.show(configured.matches);
  }
  window.setTimeout(() => void poll(), POLL_MS);
}

void poll();
keepTitle(site);

/** The page appears in its own font. Without it, if it is late: to change it later would move every word. */
const font = document.fonts.load("1em Archivo").catch(() => []);
await Promise.race([font, new Promise((resolve) => window.setTimeout(resolve, FONT_MS_MAX))]);

const root = document.getElementById("app");
if (root !== null) render(<App page={{ site, client: () => client }} />, root);
