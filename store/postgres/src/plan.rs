//! How statements are planned whose plan must not depend on chance.

/// For every connection of the store: plans don't look at parameters, and go by index wherever there is one. The first calls on an empty
/// table would have a plan that reads it whole, and keep it while the table grows; and to plan what many callers ask together
/// takes longer than to answer it. The tests of the plans have the same settings.
pub(crate) const STEADY_PLANS: &str =
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off";

/// For the rest of the transaction: plans are made once per connection, without looking at the parameters, and go by
/// index. A plan that was made while a table was small or its statistics were missing lives on after it has grown, and one
/// that reads all of such a table once per event would stop everything; a plan that looks at the arrays costs more than
/// the smaller half of the folds. Compiling a wide statement takes longer than running it.
pub(crate) const FIXED_PLANS: &str = "SELECT set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)";
