use crate::{EngineConfig, Env};

/// Draws a wait with full jitter after `failures` failures in a row: uniform from 0 to min(cap, base · 2^(n-1)).
pub(crate) fn full_jitter(config: &EngineConfig, failures: u32, env: &mut Env<'_>) -> u64 {
    let doublings = failures.saturating_sub(1).min(20);
    let most = config
        .backoff_base_ms
        .saturating_mul(1 << doublings)
        .min(config.backoff_cap_ms);
    env.jitter(most)
}

/// Spreads a wait that the server asked for by up to a fifth, so that clients do not come back at once.
pub(crate) fn spread(asked_ms: u64, env: &mut Env<'_>) -> u64 {
    asked_ms.saturating_add(env.jitter(asked_ms / 5))
}
