/** The demo site as `npm start` has it: its page behind `proxy`, with `site-tag` in it. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { withSystem } from '../e2e/harness/system.ts';
import { eventually } from '../eventually.ts';
import { launchChromium } from './chromium.ts';

const system = withSystem({ demoPage: true });
let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser?.close());

/** Someone who has clicked on an advertisement. */
async function visitor(): Promise<Page> {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.goto(`${system().file.demoUrl}/?gclid=demo`);
  await page.waitForFunction('window.adsengineer');
  return page;
}

/** Fills the form in, and sends it. @returns the receipt that the page shows */
async function sendsLead(page: Page): Promise<string> {
  await page.getByLabel('Name').fill('Jane');
  await page.getByLabel('E-mail').fill('jane@example.com');
  await page.getByRole('button', { name: 'Send' }).click();
  const said = page.getByRole('status').filter({ hasText: 'Thank you!' });
  await said.waitFor();
  return (await said.textContent())?.split(' ').at(-1) ?? '';
}

/** What the site's server got under this receipt. */
const delivered = (receiptId: string) =>
  eventually(
    `${receiptId} arrives`,
    async () => (await fetch(`${system().file.upstreamUrl}/_log`)).text(),
    (log) => log.includes(`"receiptId":"${receiptId}","path":"/webhooks/lead"`),
  );

test('a lead from the page arrives at the site’s server, under the receipt that the page shows', async () => {
  const page = await visitor();
  await page.getByRole('button', { name: 'Yes' }).click();
  expect(await page.locator('#click').textContent()).toBe('gclid=demo');
  await delivered(await sendsLead(page));
});

test('a lead is taken while the VPS is away, and arrives when it is back', async () => {
  const page = await visitor();
  await system().sandbox.stopPart('orchestrator');
  const receiptId = await sendsLead(page);
  await system().sandbox.startPart('orchestrator');
  await delivered(receiptId);
});

test('the public part of the config changes the page within seconds, and nothing is deployed', async () => {
  expect(await (await visitor()).getByLabel('Consent', { exact: true }).isVisible()).toBe(true);
  await system().configure({ public: { tag: { consent: 'implied' } } });
  await eventually(
    'the notice is gone',
    async () => (await visitor()).locator('#consent').textContent(),
    (consent) => consent === 'granted',
  );
});
