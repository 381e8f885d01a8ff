import { describe, expect, it } from 'vitest';
import { withSystem } from '../e2e/harness/system.ts';
import { eventually, timed } from '../eventually.ts';
import { dialLive } from './live-door.ts';
import { withBrowser } from './visit.ts';

const system = withSystem();
const visit = withBrowser(system);

/** A visit of the demo organisation's admin. */
async function signedIn(options = {}) {
  const visitor = await visit(options);
  await visitor.signIn(system().file.adminToken);
  return visitor;
}

/** A config edit, of which nothing is awaited. @returns the generation that it makes */
async function edit(): Promise<number> {
  const { generation } = await system().config();
  const patch = { worker: { vars: { EDITED: String(generation) } } };
  const answer = await system().act('update_config', { base: generation, patch });
  expect(answer.status).toBe(202);
  return generation + 1;
}

describe('signing in', () => {
  it('a link does it, and neither the address nor a script has the token', async () => {
    const visitor = await signedIn();
    const { page } = visitor;
    expect(page.url()).toBe(`${system().file.edgeUrl}/`);
    expect(await page.evaluate('document.cookie')).toBe('');
    expect(await page.context().cookies()).toMatchObject([{ httpOnly: true, sameSite: 'Strict' }]);
    await page.getByRole('heading', { level: 1, name: system().file.orgId }).waitFor();
    expect(visitor.allErrors).toEqual([]);
  });

  it('a pasted token does it, and a wrong one is refused with the reason', async () => {
    const visitor = await visit();
    await visitor.open();
    const token = visitor.page.getByLabel('Token');
    await token.fill('not.a.token');
    await visitor.page.getByRole('button', { name: 'Sign in' }).click();
    await visitor.sees(visitor.page.getByRole('alert'), /token/);
    await token.fill(system().file.viewerToken);
    await token.press('Tab');
    await visitor.page.keyboard.press('Enter');
    await visitor.sees(visitor.connection, 'Live');
  });

  it('a reload stays signed in, and signing out ends it', async () => {
    const visitor = await signedIn();
    await visitor.page.reload();
    await visitor.sees(visitor.connection, 'Live');
    await visitor.page.getByRole('button', { name: 'Sign out' }).click();
    await visitor.page.getByLabel('Token').waitFor();
    expect(await visitor.page.context().cookies()).toEqual([]);
    await visitor.page.reload();
    await visitor.page.getByLabel('Token').waitFor();
  });

  it('a page of another origin cannot watch with the visitor’s cookie', async () => {
    const { page } = await signedIn();
    const { edgeUrl, relayUrl } = system().file;
    const cookies = await page.context().cookies();
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    expect(await dialLive(edgeUrl, { cookie, origin: relayUrl })).toBe(403);
    expect(await dialLive(edgeUrl, { cookie })).toBe(403);
    expect(await dialLive(edgeUrl, { cookie, origin: edgeUrl })).toBe(101);
  });
});

describe('the console', () => {
  it('shows an orchestrator with its state, since when, and what waits on both sides', async () => {
    const visitor = await signedIn();
    const card = visitor.orchestrator(system().file.orchestratorId);
    await visitor.sees(card, /Online.*for \d+ (s|min)/);
    await visitor.sees(card.locator('dl').first(), /control.*queue.*inbox.*to D1.*dead/);
    await visitor.sees(card.locator('dl').last(), /inbox.*outbox.*dead/);
  });

  it('shows a command as it goes on, and the event that it makes', async () => {
    const visitor = await signedIn();
    const generation = await edit();
    await visitor.sees(
      visitor.row('Commands', `Config generation ${generation}`),
      /succeeded.*demo-shop.*admin@/,
    );
    await visitor.sees(visitor.row('Events', `generation ${generation} runs`), 'Config');
    await visitor.page.getByLabel('Type').selectOption('Deployment');
    await visitor.sees(visitor.page.getByRole('region', { name: 'Events' }), 'No event of this type');
    await visitor.page.getByLabel('Type').selectOption('Config');
    await visitor.row('Events', `generation ${generation} runs`).waitFor();
  });

  it('says of a command that came to nothing why, and links to a Worker that is deployed', async () => {
    const visitor = await signedIn();
    const { sandbox } = system();
    await sandbox.stopPart('orchestrator');
    const superseded = await edit();
    const generation = await edit();
    await visitor.sees(visitor.row('Commands', `Config generation ${superseded}`), /cancelled.*superseded/);
    await sandbox.startPart('orchestrator');
    await visitor.sees(visitor.row('Commands', `Config generation ${generation}`), 'succeeded');
    const module = 'export default { fetch: () => new Response("hello") }';
    const answer = await system().act('deploy_worker', {
      name: 'hello',
      mainModule: 'index.js',
      modules: { 'index.js': module },
      compatibilityDate: '2026-01-01',
    });
    expect(answer.status).toBe(202);
    await visitor.sees(visitor.row('Commands', 'Deploy hello'), 'succeeded');
    const told = visitor.row('Events', 'hello is deployed and answers');
    expect(await told.getByRole('link', { name: 'http:' }).getAttribute('href')).toMatch(/^http:/);
  });

  it('says within seconds that a killed orchestrator is away and why, and goes on without it', async () => {
    const visitor = await signedIn();
    const { sandbox, file } = system();
    const card = visitor.orchestrator(file.orchestratorId);
    await visitor.sees(card, 'Online');
    const noticed = await timed(async () => {
      system().kill('orchestrator');
      // Else the supervisor would start it again.
      await sandbox.stopPart('orchestrator');
      await visitor.sees(card, /Away.*for \d+ s.*disconnected/);
    });
    expect(noticed).toBeLessThan(5_000);
    const generation = await edit();
    await visitor.sees(visitor.row('Commands', 'queued'), `Config generation ${generation}`);
    await visitor.sees(card.locator('dl > div').first(), /^control[1-9]$/);
    await visitor.open(`/sites/${file.siteId}`);
    await visitor.sees(visitor.region(file.siteId), /VPS away.*Meanwhile each route/);
    await visitor.sees(visitor.region('Health'), 'is away, and the curve is kept there');
    await visitor.open();
    await sandbox.startPart('orchestrator');
    await visitor.sees(card, 'Online');
    await visitor.row('Events', `generation ${generation} runs`).waitFor();
    await visitor.row('Commands', 'queued').waitFor({ state: 'detached' });
  });

  it('comes back by itself after the edge was restarted, and shows what a new page shows', async () => {
    const visitor = await signedIn();
    const { sandbox, file } = system();
    const events = visitor.page.getByRole('region', { name: 'Events' }).getByRole('row');
    await events.nth(1).waitFor();
    await sandbox.stopPart('edge');
    await visitor.sees(visitor.connection, 'Reconnecting');
    await visitor.sees(visitor.page.getByRole('note'), 'as it was at');
    await visitor.orchestrator(file.orchestratorId).waitFor();
    await sandbox.startPart('edge');
    await visitor.sees(visitor.connection, 'Live');
    await visitor.page.getByRole('note').waitFor({ state: 'detached' });
    await visitor.sees(visitor.orchestrator(file.orchestratorId), 'Online');
    await system().works();
    const generation = await edit();
    await visitor.row('Events', `generation ${generation} runs`).waitFor();
    // Nothing twice, nothing left out.
    const fresh = await signedIn();
    await fresh.row('Events', `generation ${generation} runs`).waitFor();
    const shown = ({ page }: typeof visitor) =>
      page.getByRole('region', { name: 'Events' }).locator('tbody tr').allInnerTexts();
    await eventually(
      'both show the same',
      async () => [await shown(visitor), await shown(fresh)],
      ([before, after]) => before?.join('\n') === after?.join('\n'),
    );
  });

  it('is signed out, and says so, when it comes back and its session is over', async () => {
    const visitor = await signedIn();
    await visitor.page.context().clearCookies();
    await system().sandbox.stopPart('edge');
    await system().sandbox.startPart('edge');
    await visitor.sees(visitor.page.getByRole('alert'), 'session has ended');
  });

  it.each([390, 320])('fits a phone %i px wide', async (width) => {
    const visitor = await signedIn({ viewport: { width, height: 844 } });
    const { page } = visitor;
    await page.getByRole('article').first().waitFor();
    for (const path of ['/', '/sites', `/sites/${system().file.siteId}`]) {
      await visitor.open(path);
      await visitor.sees(visitor.connection, 'Live');
      await page.getByText('Loading …').first().waitFor({ state: 'detached' });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    }
  });

  it('is right in the dark too, and gives every control a name', async () => {
    const { page } = await signedIn({ colorScheme: 'dark' });
    for (const name of ['Orchestrators', 'Commands', 'Events']) {
      await page.getByRole('region', { name }).getByRole('heading', { level: 2, name }).waitFor();
    }
    const unnamed = 'document.querySelectorAll("button:empty, th:empty, select:not([id])").length';
    expect(await page.evaluate(unnamed)).toBe(0);
  });
});

describe('a site', () => {
  it('is found in the list, and has a page of its own that can be linked to', async () => {
    const visitor = await signedIn();
    const { page } = visitor;
    const { siteId, orchestratorId } = system().file;
    await page.getByRole('link', { name: 'Sites' }).click();
    await page.getByLabel('Search').fill('no such site');
    await visitor.sees(visitor.region('Sites'), 'No site is like that');
    await page.getByLabel('Search').fill(siteId.slice(0, 4));
    await visitor.sees(visitor.row('Sites', siteId), /works.*generation \d+/);
    expect(page.url()).toBe(`${system().file.edgeUrl}/sites?q=${siteId.slice(0, 4)}`);
    await page.getByRole('link', { name: siteId }).click();
    expect(page.url()).toBe(`${system().file.edgeUrl}/sites/${siteId}`);
    await visitor.sees(visitor.region(siteId), new RegExp(`works.*${orchestratorId}.*Online`));
    await page.reload();
    await visitor.sees(visitor.region('Config'), /Desired.*Used by the VPSapplied.*Last good.*\/webhooks/);
    await page.goBack();
    await visitor.row('Sites', siteId).waitFor();
    expect(await page.getByLabel('Search').inputValue()).toBe(siteId.slice(0, 4));
    await visitor.open('/sites/nobody');
    await visitor.sees(page.getByRole('alert'), 'no site "nobody"');
    await page.getByRole('link', { name: 'All sites' }).click();
    expect(page.url()).toBe(`${system().file.edgeUrl}/sites`);
  });

  it('shows an edit and a deployment as they go on, and the proof, to a viewer too', async () => {
    const visitor = await visit();
    await visitor.signIn(system().file.viewerToken);
    await visitor.open(`/sites/${system().file.siteId}`);
    await visitor.region('Deployments').waitFor();
    const generation = await edit();
    const desired = `Desiredgeneration ${generation} by admin@.*Used by the VPSapplied`;
    await visitor.sees(visitor.region('Config'), new RegExp(desired));
    await visitor.sees(visitor.row('Events', `generation ${generation} runs`), 'Config');
    const { status } = await system().act('deploy_worker', {
      name: 'seen-here',
      mainModule: 'index.js',
      modules: { 'index.js': 'export default { fetch: () => new Response("hello") }' },
      compatibilityDate: '2026-01-01',
    });
    expect(status).toBe(202);
    await visitor.sees(visitor.row('Deployments', 'seen-here'), /deployed.*reachable: it answers/);
  });

  it('shows its Worker’s latency as a curve, which is told in words too', async () => {
    const visitor = await signedIn();
    const { page } = visitor;
    const look = { ok: true, status: 200, latencyMs: 40, version: 'one', certificateDays: 9 };
    const checks = [3, 2, 1].map((n) => ({ ...look, at: n * 60_000, ok: n !== 2 }));
    await page.route('**/api/v1/orchestrator', async (route) => {
      const answer = await (await route.fetch()).json();
      const worker = {
        name: 'looked-at',
        state: 'deployed',
        at: 1,
        health: { ...checks[0], looks: 3, good: 2 },
      };
      answer.data.site.workers = [{ ...worker, checks }];
      await route.fulfill({ json: answer });
    });
    await visitor.open(`/sites/${system().file.siteId}`);
    await visitor.sees(visitor.region('Health'), /200 in 40 ms.*one.*9 days left.*2 of 3/);
    const curve = page.getByRole('img', { name: 'Health of looked-at' });
    await visitor.sees(curve, '40 ms at the median, 40 ms at the most; 1 of 3 looks failed');
    expect(await curve.locator('.cross').count()).toBe(1);
  });
});
