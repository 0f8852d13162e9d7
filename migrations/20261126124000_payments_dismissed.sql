-- What an admin has dismissed: it is not said again, and an order that was seen to as one of which nothing is known is not
-- credited unseen when its payment is heard of after all.
alter table payment_orders
    add column dismissed text,
    add column dismissed_amount bigint,
    drop constraint payment_orders_flag_known,
    add constraint payment_orders_flag_known check (flag in ('AMOUNT_DIFFERS', 'UNRESOLVED', 'PAID_AFTER_ALL'));
