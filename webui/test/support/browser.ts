import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

/** Debian's Chromium, or the one that CHROMIUM names. */
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export async function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** What a page did that no page of the console may do. */
export interface Watched {
  page: Page;
  trouble: string[];
}

/** Opens a page and notes errors, violations of its policy, and requests to anybody but its own cloud. */
export async function watch(context: BrowserContext, url: string): Promise<Watched> {
  const page = await context.newPage();
  const trouble: string[] = [];
  const origin = new URL(url).origin;
  page.on('pageerror', (err) => trouble.push(`error: ${err.message}`));
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted ?Type|TrustedScript/i.test(message.text())) trouble.push(`policy: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('blob:')) trouble.push(`request to ${request.url()}`);
  });
  page.setDefaultTimeout(15_000);
  await page.goto(url);
  return { page, trouble };
}

export const owner = { name: 'ann', password: 'correct horse' };

/** Logs in by the form. */
export async function logIn(page: Page, user = owner): Promise<void> {
  await page.getByLabel('User name').fill(user.name);
  await page.getByLabel('Password').fill(user.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.locator('#content').waitFor();
}
