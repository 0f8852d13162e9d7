// Says beside the name whether the server is ready (running.md, Observation).

const badge = document.querySelector('#ready');
const COLOURS = { ready: 'ONLINE', degraded: 'BUSY' };

async function look() {
  let status = 'not reachable';
  try {
    const response = await fetch('/ready', { cache: 'no-store' });
    status = (await response.json()).status ?? 'unready';
  } catch {
    // Stays "not reachable".
  }
  badge.textContent = status;
  badge.dataset.status = COLOURS[status] ?? 'OFFLINE';
}

look();
setInterval(() => document.visibilityState === 'visible' && look(), 10_000);
