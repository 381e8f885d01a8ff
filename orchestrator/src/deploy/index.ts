export * from './deployer.ts';
