//! Scores a feature vector with a documented, versioned scorecard.
