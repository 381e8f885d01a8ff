import { describe, expect, it } from 'vitest';
import { parseRange, placeOf } from './addresses.ts';

describe('the place of an address', () => {
  it.each([
    ['0.0.0.0', 'nowhere'],
    ['0.1.2.3', 'nowhere'],
    ['169.254.169.254', 'nowhere'],
    ['224.0.0.1', 'nowhere'],
    ['255.255.255.255', 'nowhere'],
    ['168.63.129.16', 'nowhere'],
    ['::', 'nowhere'],
    ['fe80::1', 'nowhere'],
    ['fe80::1%eth0', 'nowhere'],
    ['ff02::1', 'nowhere'],
    ['fd00:ec2::254', 'nowhere'],
    ['2002:7f00:1::', 'nowhere'],
    ['::ffff:169.254.169.254', 'nowhere'],
    ['::ffff:a9fe:a9fe', 'nowhere'],
    ['64:ff9b::a9fe:a9fe', 'nowhere'],
    ['not an address', 'nowhere'],
    ['127.0.0.1', 'inside'],
    ['127.255.0.1', 'inside'],
    ['10.255.255.255', 'inside'],
    ['172.16.0.1', 'inside'],
    ['172.31.255.255', 'inside'],
    ['192.168.1.1', 'inside'],
    ['100.64.0.1', 'inside'],
    ['::1', 'inside'],
    ['fd12:3456::1', 'inside'],
    ['::ffff:10.0.0.1', 'inside'],
    ['64:ff9b::10.0.0.1', 'inside'],
    ['172.32.0.1', 'outside'],
    ['11.0.0.1', 'outside'],
    ['203.0.113.7', 'outside'],
    ['2606:4700::1', 'outside'],
    ['64:ff9b::203.0.113.7', 'outside'],
  ])('%s is %s', (address, place) => {
    expect(placeOf(address)).toBe(place);
  });
});

describe('a range', () => {
  it.each([
    ['10.0.0.0/8', '10.9.9.9', true],
    ['10.0.0.0/8', '::ffff:10.9.9.9', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.5', '10.0.0.5', true],
    ['10.0.0.5', '10.0.0.6', false],
    ['fd00::/8', 'fdff::1', true],
    ['fd00::/8', '10.0.0.1', false],
    ['0.0.0.0/0', '1.2.3.4', true],
  ])('%s has %s: %s', (range, address, expected) => {
    expect(parseRange(range)?.(address)).toBe(expected);
  });
});
