import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import type { System } from '../e2e/harness/system.ts';
import { launchChromium } from './chromium.ts';

/** Longer than any change takes to reach a page, a reconnect included. */
const WITHIN_MS = 15_000;

/** Said by Chromium itself of requests that were refused or lost; pages cannot keep it from doing so. */
const NETWORK = /^(Failed to load resource|WebSocket connection to)/;

/** A person at a browser of their own: nothing is signed in, nothing cached. */
export class Visit {
  readonly page: Page;
  readonly #edgeUrl: string;
  readonly #errors: string[] = [];

  constructor(page: Page, edgeUrl: string) {
    this.page = page;
    this.#edgeUrl = edgeUrl;
    page.setDefaultTimeout(WITHIN_MS);
    page.on('pageerror', (error) => this.#errors.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') this.#errors.push(message.text());
    });
  }

  open(path = '/'): Promise<unknown> {
    return this.page.goto(this.#edgeUrl + path);
  }

  /** By the link that the sandbox prints. */
  async signIn(token: string): Promise<void> {
    await this.open(`/#sign-in=${token}`);
    await this.sees(this.connection, 'Live');
  }

  get connection(): Locator {
    return this.page.getByRole('status');
  }

  /** The card of an orchestrator. */
  orchestrator(id: string): Locator {
    return this.page.getByRole('article', { name: id });
  }

  /** A row of a table in the region with this title. */
  row(region: string, text: string): Locator {
    return this.region(region).getByRole('row').filter({ hasText: text }).first();
  }

  /** A titled part of the page. */
  region(name: string): Locator {
    return this.page.getByRole('region', { name, exact: true });
  }

  /** Waits until the element shows the text. */
  async sees(element: Locator, text: string | RegExp): Promise<void> {
    await element.filter({ hasText: text }).waitFor();
  }

  /** What went wrong in the page, but for requests that were refused or lost. */
  get errors(): string[] {
    return this.#errors.filter((error) => !NETWORK.test(error));
  }

  /** With those: for a visit in which nothing was refused or lost. */
  get allErrors(): readonly string[] {
    return this.#errors;
  }
}

/** A browser for the file's tests. @returns how a test opens a visit, which ends with it and must end without errors */
export function withBrowser(system: () => System) {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());
  return async (options: BrowserContextOptions = {}): Promise<Visit> => {
    const context = await browser.newContext(options);
    const visit = new Visit(await context.newPage(), system().file.edgeUrl);
    onTestFinished(async () => {
      await context.close();
      expect(visit.errors).toEqual([]);
    });
    return visit;
  };
}
