// What the doctor decided: the prescription with its PDF, and the recommended lab tests. Read by both.

import { h, button, busy } from './ui.js';

const PRIORITIES = { routine: null, urgent: 'Urgent', stat: 'At once' };

/** Reads the plan of a session; whatever there is none of is null. */
export async function readPlan(api, sessionId) {
  const path = `/connect/sessions/${sessionId}`;
  const read = (what) =>
    api.get(`${path}/${what}`).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
  const [prescription, tests] = await Promise.all([read('prescription'), read('lab-tests')]);
  return { prescription, tests };
}

/** Whether an event says that a plan has changed. */
export function isPlanEvent(event) {
  return /^(prescription|labtests)\./.test(event.type);
}

/**
 * Shows the plan of a session, once there is one. `tools(kind)` gives the buttons of whoever may
 * change it.
 */
export function planView({ api, sessionId, tools = null }) {
  const root = h('section', { class: 'plan', test: 'plan', hidden: true });
  let plan = { prescription: null, tests: null };

  function render() {
    const parts = [prescription(plan.prescription), tests(plan.tests)].filter(Boolean);
    root.hidden = parts.length === 0;
    root.replaceChildren(...parts);
  }

  function prescription(written) {
    if (!written && !tools) return null;
    const open = button('Open PDF', { kind: 'soft small', icon: 'doc', test: 'open-pdf', on: () => openPdf(open) });
    return part('Prescription', 'prescription', written, {
      list: written?.medications.map(medication),
      buttons: [written ? open : null, tools?.('prescription', written)],
    });
  }

  function tests(written) {
    if (!written && !tools) return null;
    return part('Lab tests', 'lab-tests', written, {
      list: written?.recommendations.map(recommendation),
      buttons: [tools?.('tests', written)],
    });
  }

  function part(title, test, written, { list, buttons }) {
    return h(
      'div',
      { class: 'plan-part', test },
      h(
        'div',
        { class: 'row between' },
        h('h3', {}, title, written?.version > 1 ? h('small', { class: 'muted' }, ` version ${written.version}`) : null),
        h('div', { class: 'row' }, buttons),
      ),
      list ? h('ol', {}, list) : null,
      written?.notes ? h('p', { class: 'notes' }, written.notes) : null,
    );
  }

  /** The tab is opened by the click itself, or the browser would keep it shut. */
  async function openPdf(element) {
    const tab = window.open('', '_blank');
    const link = await busy(element, () => api.get(`/connect/sessions/${sessionId}/prescription/pdf`));
    if (!link) return void tab?.close();
    if (tab) {
      tab.opener = null;
      tab.location = link.download_url;
    } else location.assign(link.download_url);
  }

  async function load() {
    plan = await readPlan(api, sessionId);
    render();
  }

  render();
  return {
    root,
    load,
    apply(event) {
      if (isPlanEvent(event)) load().catch(() => {});
    },
    dispose() {},
  };
}

function medication({ name, dosage, duration, instructions }) {
  return h(
    'li',
    {},
    h('strong', {}, name),
    h('span', {}, [dosage, duration].filter(Boolean).join(' · ')),
    instructions ? h('small', { class: 'muted' }, instructions) : null,
  );
}

function recommendation({ test_name: name, priority, instructions }) {
  const soon = PRIORITIES[priority];
  return h(
    'li',
    {},
    h('strong', {}, name),
    soon ? h('span', { class: 'soon' }, soon) : null,
    instructions ? h('small', { class: 'muted' }, instructions) : null,
  );
}
