-- When somebody last had the provider asked about an order that has failed or expired (connect-v2 115).
alter table payment_orders add column asked_at timestamptz;
