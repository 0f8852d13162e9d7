// Light, dark, or as the device says. Loaded in the head, so that a page never flashes the wrong one.

const KEY = 'consilium.theme';
const CHOICES = ['auto', 'light', 'dark'];
const root = document.documentElement;

function apply(choice) {
  if (choice === 'auto') delete root.dataset.theme;
  else root.dataset.theme = choice;
}

let choice = localStorage.getItem(KEY);
if (!CHOICES.includes(choice)) choice = 'auto';
apply(choice);

addEventListener('DOMContentLoaded', () => {
  for (const toggle of document.querySelectorAll('[data-theme-toggle]')) {
    const name = () => toggle.setAttribute('aria-label', `Colours: ${choice}`);
    name();
    toggle.addEventListener('click', () => {
      choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
      localStorage.setItem(KEY, choice);
      apply(choice);
      name();
      toggle.title = `Colours: ${choice}`;
    });
  }
});
