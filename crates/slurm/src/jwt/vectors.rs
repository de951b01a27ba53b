//! Tokens that another program has signed with keys made for these tests and thrown away.

/// The modulus of the key that has signed the tokens below; its exponent is `AQAB`.
pub(super) const MODULUS: &str = "\
    yXstR2Ee5NY6kdeJnAZE7IK2vnOEnaNJ8ajsL_X5SuYDO3k7xf4IzrEwJ-hYMOWXEIAWghZMOoqDD0wEfJbKqeb5vilvPZkpqih5E4tAy24Xbo\
    PJ3pdYwI9Hnnc_sXftNINqqvGF8zlsO4ih-Ut8Z7zXMEQBN3kBCZMiWSkxlT7mhE-1W75rDKro29G6uDIKYqZ09bfHdCz71NfN7wVVV_V1fLlB\
    qSzk9viqE-kvdGslNnLqI_bAEmRysSlQswl13FD_gwXPwETxf8iclrsHaVeHk6RrsOXeEjGUUp3v6zyLdhDFYTwDVAhWkTs_V5F2Br2UU67Y7i\
    1bTuJj8cerLQ";

/// The modulus of another key.
pub(super) const OTHER_MODULUS: &str = "\
    p60zfrfKqzo_Ikai8nX1e31F1GejIFp759UqPnfQrO7rY2g0byXxn_wLcB1hNk7H0LZ22bbIbt6WueOJ3cOaOi7a76Vf4PvmxFHhzs4vATvpJt\
    ku4UrBzw1a-sVUsQM4E1MQ6kxxCZhWELXU84Q3Srd_FwzHE6XByD8gZh4gV1QKAxmW7zPDUZYRj1EvNTz_23IGR_UKiG7bj1CFqTonZpnI5UgT\
    KErNGSw9E9NbjM4xWvbZrueENReV22HzBN4JOfap3Ta81vER0AweqcISe2-MAEQ3E2KiAyKhWm2Nu8-bhu-iX8nCHnC4WVxpsGBKmELT4XIU_y\
    PxdY-GBBXBNQ";

/// For alice, by `kid` key-1, from 1700000000 to 2000000000.
pub(super) const RS256: &str = "\
    eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImtleS0xIn0.eyJleHAiOjIwMDAwMDAwMDAsImlhdCI6MTcwMDAwMDAwMCwic3VuIj\
    oiYWxpY2UifQ.j8rm2U9Z2YyheK83wWe1enwazowc6wYcZ-5vVXK8qF-xQg8v8AMnGDdByvvHk8YUfELYaWtbTbNJLVoJd-iPVNoUmjrl2qe_D\
    RdifCrfQttrzS5sfLEwL1m9b2ZfmyAeBOWtJzq4jdIeQ88Bk9xXp8oRqywp6KqVowtVe-eu6Rgy8dE2ziV7MP2O3zYfiFgDRMuPsnRRHKpA3Gj\
    vnGFQ26cLPD4Km4FpS6LAWxBLDaDJe2mpqV--x-RttnaIYpBao9_D3gLf4Xr2fkuSkB3IbVp_dIor0YjJJnc5ViZdfX_9q4OGlhgKT3bwRZa-L\
    KbkhvgXcRInREguNAcFVlkn5A";

/// Without `kid`.
pub(super) const RS256_NO_KID: &str = "\
    eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjIwMDAwMDAwMDAsImlhdCI6MTcwMDAwMDAwMCwic3VuIjoiYWxpY2UifQ.kXJMbk\
    Md4nP6bToWOYUX34n09etuTIkfcKRzrtpE3w0Iqd39ZvlFs2h0LPpbI78NSdc0KcYJofFPV3SyCHZw3ivlXQc8IzXsKq7xkKw8gX_G8kRo7hS2\
    wt73ROv11GjbLyDmyq4Baw0zWP9MRVSMjE3zRMoNytft_yf2pz9bW4IVpnLGQSV4wnwITFQreC9DAt6t8U1Sf5gIK_W0gyQBYWVQhSfCUeYxvj\
    yE52xy7esOBQuuJCjMiRkZXinIT30LjsK77atrYDYdTGyXVT5KoWys6jTYXRXbn-wgmH_GNIy2Ht5KRg6SxvN_wzyUCicoaEux-NUvtxkg3fg_\
    pJTsiA";

/// By the `kid` key-2.
pub(super) const RS256_OTHER_KID: &str = "\
    eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImtleS0yIn0.eyJleHAiOjIwMDAwMDAwMDAsImlhdCI6MTcwMDAwMDAwMCwic3VuIj\
    oiYWxpY2UifQ.Qh5BHryAtjjhmUfIv9ekxFUZaO_2QpKlg_uHv2oBYSwv_LVHJmIK2VJAndVN3_wYa794xICWBHE8fwMYOhxZBy-hLXsl9cB6f\
    aK9h63BPkiJ8dDmuNNr5yTgCr9QfD3qw4jEvt51jeP1FGTIHgh0AIW2ethA5x1_ZQ4oPOS-u7SpWUrJLQQZAEI3mZFKMIVutshHpa-7KjkXzOb\
    LnLW6P9rHLw39VVFckGVeNFoxlh4SAvmgRLoiTS7aFUgr3Cntppp0O6p1cE7aeiaiOWsXhP-Xmpg7tZGrNerfV-ax7p4hTUoxYwX_h8YTfpPhf\
    fi0i-72xRE2u4ibyGLk9SdHlw";

/// By another key, which calls itself key-1.
pub(super) const RS256_OTHER_KEY: &str = "\
    eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImtleS0xIn0.eyJleHAiOjIwMDAwMDAwMDAsImlhdCI6MTcwMDAwMDAwMCwic3VuIj\
    oiYWxpY2UifQ.UVvut2o8Sm-R2h_gj1nEF_CYQfAzN0RF-P4pRPBfgGjwq2XohlocXb6L3T_Mq426_GlqbPOc64KzHUs_5JrJT-Ps4ZFCm91B0\
    ay5t_JoYT2rZHr3dD3lUxdA4Y-6ynOQnLmoH_q0AUypMHhIv4kkIJ6W8JmREdp1B8HESNhBLDebQC860ibGkjr6AiXtrJNfqEFaHgEbDp7RoqN\
    oVkELbBwCzKw6fpiBkYpg9KqMAwP1a8ytVPcitJh85Z8PAM0-AWEq2shfOnqaIMU1EgiA2RYfkP31WbgAID5rLiiZ5KEJQzJ7hzCTmwJppqkCA\
    MZl6CjilasJgTb0G8LI4jVmwg";

/// Without `exp`.
pub(super) const RS256_NO_EXPIRY: &str = "\
    eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImtleS0xIn0.eyJzdW4iOiJhbGljZSJ9.TcbfOTrLBgqNDMpYGLNNZxu-Rj0f5o1Eo\
    Uj0597d_CaRfpxX_BZPOVkeKf6lZbCdy18nO5-ZjOL6DVBUKv7LKr4BbjIllxj8RpJOslESFVyu5amLj4PijH9wFMMgEKr3YzC7g103QN6e-94\
    ROPRtfsnDD1kU-nrQL4YJeqXlzF2u9uKdFJKbLWjgdphuIX0RYO4oT_kFw91U8I9uAwvdByvB1ahHGMlprh20xMdO9w1qYqPBuwqGSY-V11SgH\
    LppOlaCxbh3o_E2jh0yGDfTyX2VL4X4L4hCssZ-Jj2B9dyMeLW71V-uItME7heKm0oMOlhW6RI3DYBM1RL3wzm22Q";

/// As an identity provider makes them: `preferred_username`, `aud`, `nbf` far in the future.
pub(super) const RS256_CLAIM: &str = "\
    eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImtleS0xIn0.eyJleHAiOjIwMDAwMDAwMDAsImF1ZCI6WyJhY2NvdW50Il0sIm5iZi\
    I6MTk5OTk5OTk5OSwiaXNzIjoiaHR0cHM6Ly9pZHAuZXhhbXBsZS5vcmciLCJzdWIiOiI0MiIsInByZWZlcnJlZF91c2VybmFtZSI6ImNhcm9s\
    In0.s0CypdSOo-FrLsxDMth-WkWaV1jB8aHJRZi4HodkEHbwt8tELdqL2t1isAlqQSivWGtpZU5lSUDkO6M9kKgFUNDzdRfCt7bgPXJ_gH2s5Z\
    dJuWqJ1qjqHR6Ia_pVLmQyI-_pTboQMcWuZNT6M_SEMags9pEM0JkwmY1UyyYG7DOI0FTKJfDpAjA-MkhrZiHlfoSTDLkAgwt-RS48LeWjqV0V\
    qe76wJgv65KCamX_JRE88qYozoOBji3S9EQrub53NIdjEvyFrMZPKP9hdPvau01VdyEfWuMh9tjrqoO0l0xEVSaWhyol1ZfYekXokJ1haOkpmB\
    ncvhsYsVRXNvy6sw";

/// By RS512.
pub(super) const RS512: &str = "\
    eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6ImtleS0xIn0.eyJleHAiOjIwMDAwMDAwMDAsImlhdCI6MTcwMDAwMDAwMCwic3VuIj\
    oiYWxpY2UifQ.uubZWRQOeaKT9pec7iDJGyXicKgPfIkPppKxO8B5OWsbU4DQL3drn2eyVBGgG7XSojaSeSDAJdii_fMrO-0JsMZLa8HXYRKgc\
    SwglAVgkAPLgVT2g8d1PnBbCj_sV4vkCmFAykRaiVTNr2xOA0uncmh1RSc9GHm9HAMtVujsj58IgjRyK6veB7qIaZmGdzQcmqL_M95GShwtjHN\
    kIVRihztvl-x-tH19jd80WvX9GF1i57RvfCdD8bax2rse_W_EyeEYZSVdC4jyeniBbDSrmnybpKra4zNmhTpKaFO0gHbboYSdFfwWft55rWh7y\
    WLqGAq15bXggVNAy9uqUbeI8Q";

/// By PS256.
pub(super) const PS256: &str = "\
    eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImtleS0xIn0.eyJleHAiOjIwMDAwMDAwMDAsImlhdCI6MTcwMDAwMDAwMCwic3VuIj\
    oiYWxpY2UifQ.ul3fG5rQo8_H5CLhX9D-U41BEy7X9RCSk2pSJlx65XeK2sZoQZ6tqesf3NRn33E9YHZdMlMXw4UkT2dfh4U4ugWl29W_2v6hy\
    lXiRbcCtCa3yWqM8SQo8ciMM8AJQVrB59uFtxHpkoW2MweNWgpZDUJ0XB6sNUTs0fSc1sqzTuF5vn2yg9waNDzgFmpsNFnwvCUsPQ8VJgx_eDx\
    UffBAHXISRye-4GROrhcIxpxzftnNoTXAkJfGdT_ltTts1sJJxco0etjWz2KWh33q_H_Yzyj_E-lT7k_EpUfnlndsiqq8c8RbGrR-E3XlYohA_\
    UV-PvUhT8-Rf9BxxcdfPLIjPg";

/// With a critical extension.
pub(super) const RS256_CRITICAL: &str = "\
    eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImtleS0xIiwiY3JpdCI6WyJleHAiXX0.eyJleHAiOjIwMDAwMDAwMDAsImlhdCI6MT\
    cwMDAwMDAwMCwic3VuIjoiYWxpY2UifQ.Nq1aEGlBRzkvgZY0ttYIpgCs3FLxdo0d_23Lbt_mZ-h0fPa3uoS7cRwZFxGt9pk4cH1pXUZP2oBRz\
    87mKrnVTaNkZD1JndsmL04Z87m8kP1XI-BqB4jWMEflu6EtIs7dlbk2Fk6lqPxDtbMZB6Gz-Ica0BjgIxiHWHU_aq1jVuqZ1Kfwc1pmdvfYD2w\
    7XlkxHlUwbGWvY11f3uWUpbOeBtuctbif1rYpnBI5xVhLXN56VCs531cr8v3UJb1CWOSWEJ703w2tjXqiM3Rth9CVCYGWvw86dhw29v-fO2p5R\
    msSvvjbVxWxEKxpmW1E7goubqJxEDqApZIQpVL1-ffJsg";
